"""Pretrained students by name: load them, save them, share them.

The folder of a student holds ``model.safetensors``, ``config.json`` (sizes
of the backbone, and what is known of its data) and a model card.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from safetensors.torch import save_file
from torch import nn

from mmdet3d_act.apis.loading import find_config, initialize, points_per_cloud
from mmdet3d_act.checkpoint import (
    CheckpointError,
    MissingCheckpointError,
    read_checkpoint,
    resolve_checkpoint,
)
from mmdet3d_act.engine import launch
from mmdet3d_act.engine.failures import UsageError
from mmdet3d_act.io import write_json
from mmdet3d_act.models.backbones import PointTransformer
from mmdet3d_act.models.backbones.pretrained import (
    SETTINGS,
    backbone_settings,
    backbone_sizes,
    backbone_state,
    checkpoint_settings,
)
from mmdet3d_act.students import (
    STUDENT_CONFIG,
    STUDENT_WEIGHTS,
    STUDENTS,
    student_names,
)

CARD = 'README.md'
ANCHOR = 'patch_embed.conv1.weight'
# What a student is told of its data, beside the weights.
DEFAULTS = dict(up_axis='y', normalization='unit_sphere', num_points=1024)
OPTIONAL = ('unit', 'classes', 'features')
FACTS = (*DEFAULTS, *OPTIONAL)
_CARD = """---
library_name: mmdet3d_act
license: {license}
tags: [point-cloud, 3d, self-supervised, feature-extraction]
---
# {name}

A point Transformer of mmdet3d_act: {size}, clouds of {num_points} points,
`{up_axis}` up, normalisation `{normalization}`.

```python
import mmdet3d_act
embed = mmdet3d_act.Embedder({name!r})
vector = embed('cloud.ply')['predictions'][0]['embedding']
```

{text}
"""


def from_pretrained(source: str | Path, device: str = 'cpu') -> nn.Module:
    """Load a student with its sizes; it is in evaluation mode.

    ``pretrained_meta`` of it says which axis was up in its data, how they
    were normalised, ``num_points`` and, where there were, ``classes``.

    Args:
        source: The name of a student of the package, a folder of
            :func:`save_pretrained`, a work directory, a checkpoint, or the id
            of a repository on Hugging Face's hub, which is downloaded.
        device: Where the student goes.

    Raises:
        MissingCheckpointError: If there is none; names the known ones.
        CheckpointError: If it holds no point Transformer.

    Example:
        >>> student = from_pretrained('act-mini')
        >>> student(torch.rand(2, 1024, 3))['features'].shape
        torch.Size([2, 128, 32])
    """
    path = _find_weights(str(source))
    loaded = read_checkpoint(path)
    state = backbone_state(loaded, path, ANCHOR)
    told = checkpoint_settings(loaded)
    if 'num_heads' not in told:
        raise CheckpointError(
            f'{path} does not say how many heads its blocks have; extract it '
            'by tools/model_converters/extract_backbone.py with its config'
        )
    settings = {key: told[key] for key in SETTINGS if key in told}
    student = PointTransformer(
        **backbone_sizes(state),
        **settings,
        drop_path_rate=0.0,
        init_cfg=dict(type='Pretrained', checkpoint=path),
    )
    initialize(student)
    config = find_config(path)
    if config is not None and 'num_points' not in student.pretrained_meta:
        cfg = launch.load_config(str(config))
        student.pretrained_meta['num_points'] = points_per_cloud(cfg)
    for key, value in DEFAULTS.items():
        student.pretrained_meta.setdefault(key, value)
    return student.to(device).eval()


def _find_weights(source: str) -> str:
    """Find the weights of a student; those on the hub are downloaded."""
    remedy = 'give a name, a folder, a checkpoint, or OWNER/NAME on the hub'
    try:
        return resolve_checkpoint(source, remedy)
    except MissingCheckpointError as error:
        if source.count('/') != 1 or Path(source).exists():
            raise
        files = [STUDENT_WEIGHTS, STUDENT_CONFIG, CARD]
        try:
            folder = snapshot_download(source, allow_patterns=files)
        except (HfHubHTTPError, HFValidationError, OSError) as reason:
            text = str(reason).strip().partition('\n')[0]
            raise MissingCheckpointError(f'{error} ({text})') from reason
    return resolve_checkpoint(folder, remedy)


def save_pretrained(
    model: nn.Module,
    folder: str | Path,
    *,
    name: str | None = None,
    card: str = '',
    license: str = 'apache-2.0',
    half: bool = False,
    **facts: Any,
) -> Path:
    """Write the folder of a student.

    Args:
        model: A point Transformer, or a model with one as its ``student`` or
            ``backbone``.
        folder: The folder; it is made.
        name: Of the student in its card; the folder's by default.
        card: Text of the card, Markdown: data, training, results.
        license: Of the weights.
        half: Whether to store float16, half the size.
        **facts: What is known of the data: ``up_axis``, ``normalization``,
            ``unit``, ``num_points``, ``classes``, ``features``. What is not
            given is taken from the model's ``pretrained_meta``; None leaves
            ``unit``, ``classes`` or ``features`` out.

    Returns:
        The folder.

    Raises:
        TypeError: If the model has no point Transformer.
        ValueError: If another fact is None.
    """
    student = getattr(model, 'student', getattr(model, 'backbone', model))
    if not isinstance(student, PointTransformer):
        raise TypeError(
            f'expected a model with a PointTransformer, got {type(model)}'
        )
    folder = Path(folder)
    told = _told_facts(student.pretrained_meta, facts)
    state = {
        name: (value.half() if half and value.is_floating_point() else value)
        .cpu()
        .contiguous()
        for name, value in student.state_dict().items()
    }
    sizes = backbone_sizes(state) | backbone_settings(student)
    number = sum(value.numel() for value in state.values())
    size = (
        f'{number / 1e6:.2f} M parameters, {sizes["num_layers"]} blocks of '
        f'width {sizes["embed_dims"]}, {sizes["num_groups"]} patches of '
        f'{sizes["group_size"]} points'
    )
    text = _CARD.format(
        name=name or folder.name, size=size, license=license, text=card, **told
    )
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / STUDENT_WEIGHTS, {'format': 'pt'})
    # It makes a file for its owner alone.
    (folder / STUDENT_WEIGHTS).chmod(0o644)
    write_json(
        folder / STUDENT_CONFIG,
        dict(
            library_name='mmdet3d_act',
            backbone=dict(type='PointTransformer', **sizes),
            **told,
        ),
    )
    (folder / CARD).write_text(text.rstrip() + '\n', encoding='utf-8')
    return folder


def _told_facts(meta: dict, facts: dict) -> dict[str, Any]:
    """Choose what a folder says of its data, as JSON can hold it."""
    known = {key: value for key, value in meta.items() if value is not None}
    told = DEFAULTS | known | facts
    told = {key: told[key] for key in FACTS if told.get(key) is not None}
    for key in DEFAULTS:
        if key not in told:
            raise ValueError(
                f'{key} must be known, got None; only '
                f'{" and ".join(OPTIONAL)} may be left out'
            )
    told['num_points'] = int(told['num_points'])
    classes = [str(one) for one in told.pop('classes', ())]
    return told | (dict(classes=classes) if classes else {})


def push_to_hub(
    folder: str | Path, repo_id: str, *, private: bool = False
) -> str:
    """Upload the folder of a student; return the address of the repository.

    Only weights, config and card are uploaded.

    Args:
        folder: From :func:`save_pretrained`, or the name of a student.
        repo_id: OWNER/NAME on Hugging Face's hub; it is made.
        private: Whether a new repository is private.

    Raises:
        UsageError: If it is something else, such as a work directory.
    """
    weights = Path(resolve_checkpoint(folder))
    config = weights.with_name(STUDENT_CONFIG)
    if weights.name != STUDENT_WEIGHTS or not config.is_file():
        raise UsageError(
            f'{folder} is no folder of a student with {STUDENT_WEIGHTS} and '
            f'{STUDENT_CONFIG}; write one by save_pretrained'
        )
    api = HfApi()
    address = api.create_repo(repo_id, private=private, exist_ok=True)
    api.upload_folder(
        repo_id=repo_id,
        folder_path=str(weights.parent),
        allow_patterns=[STUDENT_WEIGHTS, STUDENT_CONFIG, CARD],
    )
    return str(address)


def list_students() -> list[dict]:
    """Tell name, sizes and data of each student of the package."""
    return [
        dict(
            json.loads((STUDENTS / name / STUDENT_CONFIG).read_text()),
            name=name,
            card=str(STUDENTS / name / CARD),
            megabytes=(STUDENTS / name / STUDENT_WEIGHTS).stat().st_size / 1e6,
        )
        for name in student_names()
    ]
