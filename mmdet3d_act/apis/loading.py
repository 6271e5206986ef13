"""Models with their weights, and data to look at, from configs and files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from torch import nn
from torch.utils.data import Dataset

from mmdet3d_act import compat
from mmdet3d_act.engine import launch
from mmdet3d_act.engine.preflight import iter_typed
from mmdet3d_act.registry import DATASETS, MODELS

PARTS = ('val', 'train', 'test')
DEFAULT_POINTS = 1024
_SHOWN_KEYS = 4
# How the weights of each kind of model are recognised: by a part of a name.
_KINDS = (
    ('student.', 'a Distiller (stage II or Point-MAE)'),
    ('codebook', 'a DiscreteVAE (stage I)'),
    ('backbone.', 'a network with a backbone'),
)


def load_model(
    cfg: Config, checkpoint: str, config: str, device: str = 'cpu'
) -> nn.Module:
    """Return the model of a config with all weights of a checkpoint.

    Args:
        cfg: The config.
        checkpoint: A file, or a work directory, whose last checkpoint is
            taken.
        config: Name of the config file, for messages.
        device: Where the model goes.

    Returns:
        The model in evaluation mode.

    Raises:
        UsageError: If something that the config names is missing, or the
            checkpoint is absent, unreadable or of another model.
    """
    launch.require(cfg, ['model'], config)
    path = resolve_checkpoint(checkpoint)
    launch.forget_pretrained(cfg)
    launch.check_requirements(cfg, config, ['model'])
    state = read_state(path)
    kind = cfg.model.get('type')
    init_default_scope(cfg.get('default_scope', 'mmdet3d'))
    expected = {'DiscreteVAE': 'codebook', 'Distiller': 'student.'}.get(kind)
    if expected and not any(key.startswith(expected) for key in state):
        raise launch.UsageError(
            f'{path} is no checkpoint of the {kind} in {config}: it looks '
            f'like {describe_state(state)}; give the config that it was '
            'trained with'
        )
    model = MODELS.build(cfg.model)
    try:
        initialize(model)
    except (FileNotFoundError, ValueError) as error:
        raise launch.UsageError(str(error)) from error
    try:
        missing, unexpected = model.load_state_dict(state, strict=False)
    except (RuntimeError, ValueError) as error:
        raise launch.UsageError(
            f'{path} does not fit {config}: {error}\nGive the config (and the '
            '--cfg-options) that it was trained with.'
        ) from error
    if missing or unexpected:
        raise launch.UsageError(
            f'{path} does not fit {config}: {_sample(missing)} missing, '
            f'{_sample(unexpected)} not expected; it looks like '
            f'{describe_state(state)}. Give the config (and the '
            '--cfg-options) that it was trained with'
        )
    return model.to(device).eval()


def initialize(model: nn.Module) -> None:
    """Run ``init_weights`` of a model without a line about each parameter.

    Args:
        model: A module of MMEngine.
    """
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('WARNING')
    try:
        model.init_weights()
    finally:
        logger.setLevel(level)


def resolve_checkpoint(checkpoint: str) -> str:
    """Return the file that a path means.

    Args:
        checkpoint: A file, an address, or a work directory, whose last
            checkpoint is meant.

    Raises:
        UsageError: If there is none.
    """
    if '://' in checkpoint or Path(checkpoint).is_file():
        return checkpoint
    found = launch.last_checkpoint(checkpoint)
    if found is None:
        raise launch.UsageError(
            f'no checkpoint at {checkpoint}; give a .pth file, or the work '
            'directory of a training that has saved one'
        )
    return str(found)


def read_state(path: str) -> dict[str, torch.Tensor]:
    """Return the weights that a checkpoint holds.

    Args:
        path: A file or an address.

    Raises:
        UsageError: If it cannot be read or holds none.
    """
    try:
        loaded = compat.load_checkpoint(path)
    except (OSError, RuntimeError, UnpicklingError) as error:
        raise launch.UsageError(
            f'{path} cannot be read as a checkpoint: {error}'
        ) from error
    state = (
        loaded.get('state_dict', loaded) if isinstance(loaded, dict) else {}
    )
    if not any(isinstance(value, torch.Tensor) for value in state.values()):
        raise launch.UsageError(
            f'{path} holds no weights; expected a checkpoint of a training'
        )
    return state


def describe_state(state: dict) -> str:
    """Return what kind of model some weights look like.

    Args:
        state: A state dict.
    """
    for start, kind in _KINDS:
        if any(key.startswith(start) for key in state):
            return kind
    return f'another model (its first weights: {", ".join(list(state)[:3])})'


def _sample(names: list[str]) -> str:
    """Return how many names there are, and some of them."""
    if not names:
        return '0 weights'
    shown = ', '.join(names[:_SHOWN_KEYS])
    return f'{len(names)} weights ({shown}{", ..." * (len(names) > 4)})'


def build_dataset(
    cfg: Config, config: str, part: str | None = None
) -> Dataset:
    """Return a data set of a config.

    Args:
        cfg: The config.
        config: Name of the config file, for messages.
        part: 'val', 'train' or 'test'; None takes the first of these that
            the config has.

    Raises:
        UsageError: If the config has no such part, or the data are missing.
    """
    names = [
        name
        for name in ([part] if part else PARTS)
        if cfg.get(f'{name}_dataloader')
    ]
    if not names:
        wanted = f'{part}_dataloader' if part else 'data set'
        raise launch.UsageError(f'the config {config} has no {wanted}')
    key = f'{names[0]}_dataloader'
    launch.check_requirements(cfg, config, [key])
    init_default_scope(cfg.get('default_scope', 'mmdet3d'))
    return _built(cfg[key]['dataset'], f'the {names[0]} data of {config}')


def build_folder(
    cfg: Config,
    folder: str,
    *,
    classes: Sequence[str] | None = None,
    up_axis: str = 'auto',
) -> Dataset:
    """Return a folder of point files as a data set for a config's model.

    Clouds are prepared as for the probe: unit sphere, then as many
    farthest-point samples as the config's own data have (1024 by default).

    Args:
        cfg: The config whose model will read the clouds.
        folder: The folder.
        classes: Names of its sub-folders, in the order of their labels; None
            gives no labels.
        up_axis: Axis that points up, 'x', 'y' or 'z'; 'auto' guesses and
            says so.

    Raises:
        UsageError: If there is nothing to read.
    """
    if not Path(folder).is_dir():
        raise launch.UsageError(f'no such folder: {folder}')
    init_default_scope(cfg.get('default_scope', 'mmdet3d'))
    dataset = dict(
        type='PointFolder',
        data_root=str(folder),
        classes=classes,
        up_axis=up_axis,
        test_mode=True,
        static_pipeline=[
            dict(type='LoadPointCloud'),
            dict(type='NormalizeToUnitSphere'),
            dict(
                type='SamplePoints',
                num_points=_num_points(cfg),
                method='fps',
                on_too_few='repeat',
            ),
        ],
        pipeline=[dict(type='PackPointInputs')],
    )
    return _built(dataset, folder)


def _built(dataset: dict, source: str) -> Dataset:
    try:
        return DATASETS.build(dataset)
    except (FileNotFoundError, ValueError) as error:
        raise launch.UsageError(f'{source} cannot be used: {error}') from error


def _num_points(cfg: Config) -> int:
    """Return how many points the config's own data give the model."""
    for part in PARTS:
        for typed in iter_typed(cfg.get(f'{part}_dataloader')):
            if typed['type'] == 'SamplePoints':
                return typed['num_points']
    return DEFAULT_POINTS
