"""The student out of this package's own checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mmdet3d_act.checkpoint import (
    CheckpointError,
    read_checkpoint,
    resolve_checkpoint,
)
from mmdet3d_act.converters.conversion import (
    ANCHOR,
    POSITION_CODE,
    config_text,
)
from mmdet3d_act.converters.model_configs import build_on_meta
from mmdet3d_act.io import file_hash
from mmdet3d_act.models.backbones.pretrained import (
    SETTINGS,
    backbone_sizes,
    backbone_state,
    checkpoint_settings,
)
from mmdet3d_act.models.layers import POSITION_MODES
from mmdet3d_act.version import __version__

# What a checkpoint's meta data says of its training.
KEPT_META = ('experiment_name', 'epoch', 'iter', 'seed', 'converted')


class Extraction(NamedTuple):
    """A backbone taken out of a checkpoint.

    Attributes:
        state: Its weights, without a prefix.
        config: Of the backbone.
        meta: Where it is from, and what it was trained with.
        left: How many tensors of the checkpoint are not its own.
    """

    state: dict[str, Tensor]
    config: dict[str, Any]
    meta: dict[str, Any]
    left: int


def extract_backbone(
    path: str | Path, prefix: str | None = None
) -> Extraction:
    """Take the point Transformer out of a checkpoint.

    Args:
        path: A checkpoint of a pretraining, a classifier, a segmentor or a
            detector of this package, or a work directory, whose last one is
            meant.
        prefix: What stands before the backbone's names; found by itself when
            None.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it holds no whole point Transformer.
    """
    path = resolve_checkpoint(path)
    loaded = read_checkpoint(path)
    state = backbone_state(loaded, path, ANCHOR, prefix)
    try:
        sizes = backbone_sizes(state)
    except CheckpointError as error:
        raise CheckpointError(
            f'{path} holds no whole point Transformer: {error}; give a '
            'checkpoint of a pretraining (stage II, Point-MAE) or of what was '
            'trained from one'
        ) from error
    settings = checkpoint_settings(loaded)
    code = int(state.get(POSITION_CODE, torch.tensor(0)))
    config = {
        'type': 'PointTransformer',
        **sizes,
        **{key: settings[key] for key in SETTINGS if key in settings},
        'position': POSITION_MODES[code],
    }
    # Heads have no weights of their own.
    own = build_on_meta({**config, 'num_heads': 1}).state_dict()
    missing = sorted(set(own) - set(state))
    if missing:
        raise ValueError(
            f'{path} holds no whole point Transformer: {missing[:5]} are '
            f'missing ({len(missing)}); it is damaged'
        )
    known = loaded.get('meta') or {}
    meta = {
        'mmdet3d_act_version': __version__,
        'extracted': {
            'source': Path(path).name,
            'sha256': file_hash(path),
            **{key: known[key] for key in KEPT_META if key in known},
        },
        'dataset_meta': dict(known.get('dataset_meta') or {}),
        'backbone': {key: config[key] for key in SETTINGS if key in config},
        'cfg': config_text(config),
    }
    return Extraction(
        {name: state[name] for name in own},
        config,
        meta,
        len(loaded.get('state_dict', loaded)) - len(own),
    )
