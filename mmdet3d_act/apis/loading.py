"""Models with their weights, and data to look at, from configs and files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn
from torch.utils.data import Dataset

from mmdet3d_act.checkpoint import (
    fill_module,
    read_checkpoint,
    resolve_checkpoint,
    weights_of,
)
from mmdet3d_act.engine import launch
from mmdet3d_act.engine.preflight import iter_typed
from mmdet3d_act.registry import DATASETS, MODELS
from mmdet3d_act.text import quiet_log

PARTS = ('val', 'train', 'test')
DEFAULT_POINTS = 1024


def load_model(
    cfg: Config, checkpoint: str, config: str, device: str = 'cpu'
) -> nn.Module:
    """Return the model of a config with all weights of a checkpoint.

    Its ``dataset_meta`` is what the checkpoint says of its training data.

    Args:
        cfg: The config.
        checkpoint: A file, or a work directory, whose last checkpoint is
            taken.
        config: Name of the config file, for messages.
        device: Where the model goes.

    Returns:
        The model in evaluation mode.

    Raises:
        UsageError: If something that the config names is missing.
        CheckpointError: If the checkpoint is absent, unreadable or of another
            model.
    """
    launch.require(cfg, ['model'], config)
    path = resolve_checkpoint(checkpoint)
    launch.forget_pretrained(cfg)
    launch.check_requirements(cfg, config, ['model'])
    content = read_checkpoint(path)
    state = weights_of(content, path)
    init_default_scope(cfg.get('default_scope', 'mmdet3d'))
    model = MODELS.build(cfg.model)
    initialize(model)
    fill_module(
        model,
        state,
        path,
        remedy=f'{config} and the --cfg-options have to be those that it was '
        'trained with',
    )
    meta = content.get('meta')
    known = meta.get('dataset_meta') if isinstance(meta, dict) else None
    model.dataset_meta = known or {}
    return model.to(device).eval()


def initialize(model: nn.Module) -> None:
    """Run ``init_weights`` of a model without a line about each parameter.

    Args:
        model: A module of MMEngine.
    """
    with quiet_log('WARNING'):
        model.init_weights()


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
                num_points=points_per_cloud(cfg),
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


def find_config(checkpoint: str | Path) -> Path | None:
    """Find the config that MMEngine wrote beside a checkpoint.

    Args:
        checkpoint: A file of a work directory.

    Returns:
        The newest config there; None without one.
    """
    configs = Path(checkpoint).parent.glob('*.py')
    return max(configs, key=lambda file: file.stat().st_mtime, default=None)


def points_per_cloud(cfg: Config) -> int:
    """Look up how many points a config's own data give the model.

    Args:
        cfg: The config.
    """
    for part in PARTS:
        for typed in iter_typed(cfg.get(f'{part}_dataloader')):
            if typed['type'] == 'SamplePoints':
                return typed['num_points']
    return DEFAULT_POINTS
