"""What the trainings of an experiment change in a config."""

from __future__ import annotations

from collections.abc import Mapping

from mmengine.config import Config

from mmdet3d_act.checkpoint import resolve_checkpoint
from mmdet3d_act.datasets.base import iter_dataset_cfgs
from mmdet3d_act.engine import launch
from mmdet3d_act.engine.preflight import iter_typed
from mmdet3d_act.wording import counted

SCRATCH = 'scratch'
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def set_epochs(cfg: Config, epochs: int, config: str) -> None:
    """Make a training last so many epochs, with the schedule that fits.

    Schedules that end with the training end with it again; warm-ups stay.

    Args:
        cfg: The config, changed in place.
        epochs: The new length.
        config: Name of the config file, for messages.

    Raises:
        UsageError: If the config counts no epochs, or a schedule begins or
            ends within the old length, but not within the new one.
    """
    old = cfg.train_cfg.get('max_epochs')
    if old is None:
        raise launch.UsageError(
            f'the training of {config} is not counted in epochs; choose its '
            'length by --cfg-options train_cfg.max_iters=...'
        )
    schedules = cfg.get('param_scheduler') or []
    if isinstance(schedules, Mapping):
        schedules = [schedules]
    least = max((_fit(one, old, epochs) for one in schedules), default=1)
    if epochs < least:
        few = counted(epochs, 'epoch is', 'epochs are')
        raise launch.UsageError(
            f'{few} too few for {config}: with its warm-up the schedule takes '
            f'{least} or more'
        )
    cfg.train_cfg['max_epochs'] = epochs
    interval = cfg.train_cfg.get('val_interval', 1)
    cfg.train_cfg['val_interval'] = min(interval, epochs)


def _fit(schedule: dict, old: int, epochs: int) -> int:
    """Fit a schedule to another length; return the least that it can have."""
    if not schedule.get('by_epoch', True):
        return 1
    begin, end = schedule.get('begin', 0), schedule.get('end')
    last = old
    if schedule.get('T_max') == old - begin:
        schedule['T_max'] = epochs - begin
    if schedule.get('num_epochs') in (old - 1, old):
        # A ReleasedCosineLR, whose last epoch may be one too many.
        end = last = schedule['num_epochs']
        schedule['num_epochs'] += epochs - old
        begin = schedule.get('warmup_epochs', 0)
    elif end == old:
        schedule['end'] = epochs
    # Of a ProgressCosineLR, whose warm-up is a part of it.
    begin = max(begin, schedule.get('warmup', 0))
    if end is None or end == last:
        return begin + 1 + old - last
    return max(begin + 1, end)


def set_start(cfg: Config, start: str, config: str) -> None:
    """Choose where the weights of a config's backbone come from.

    Args:
        cfg: The config, changed in place.
        start: A checkpoint or a work directory, or 'scratch'.
        config: Name of the config file, for messages.

    Raises:
        UsageError: If the model has no backbone, or there is no such
            checkpoint.
    """
    backbone = cfg.model.get('backbone')
    if backbone is None:
        raise launch.UsageError(
            f'the model of {config} has no backbone to start from {start}; '
            'give the config of a classifier, segmentor or detector'
        )
    cfg.load_from = None
    for part in (cfg.model, backbone):
        if part.get('init_cfg'):
            part['init_cfg'] = _without_pretrained(part['init_cfg'])
    if start == SCRATCH:
        return
    checkpoint = resolve_checkpoint(start)
    backbone['init_cfg'] = [
        *(backbone.get('init_cfg') or ()),
        dict(type='Pretrained', checkpoint=checkpoint),
    ]
    if len(backbone['init_cfg']) == 1:
        backbone['init_cfg'] = backbone['init_cfg'][0]


def _without_pretrained(init_cfg: Mapping | list) -> list | None:
    each = init_cfg if isinstance(init_cfg, list | tuple) else [init_cfg]
    return [one for one in each if not reads_checkpoint(one)] or None


def reads_checkpoint(init_cfg: Mapping) -> bool:
    """Return whether an ``init_cfg`` reads a file, MMEngine's way or ours.

    Args:
        init_cfg: One of them.
    """
    return str(init_cfg.get('type')).startswith('Pretrained')


def set_data(cfg: Config, arguments: Mapping, config: str) -> None:
    """Replace arguments of the data sets that have all of them.

    Args:
        cfg: The config, changed in place.
        arguments: Names and values.
        config: Name of the config file, for messages.

    Raises:
        UsageError: If the training or the validation data have none of them.
    """
    for key in LOADERS:
        found = [
            node
            for node in iter_typed(cfg.get(key) and cfg[key]['dataset'])
            if arguments.keys() <= node.keys()
        ]
        for node in found:
            node.update(arguments)
        if not found and key != 'test_dataloader':
            # Only folds that are drawn have a seed.
            drawn = '_drawn' if 'seed' in arguments else ''
            raise launch.UsageError(
                f'no data set in {key} of {config} has '
                f'{", ".join(arguments)}; give a config whose data set does, '
                f'such as configs/act/act_fewshot_modelnet40{drawn}.py'
            )


def set_labels(cfg: Config, fraction: float, seed: int) -> None:
    """Leave a share of the labels to the training data.

    Args:
        cfg: The config, changed in place.
        fraction: The share, in (0, 1].
        seed: Chooses the labels, >= 0.

    Raises:
        UsageError: If that is no share.
    """
    if not 0 < fraction <= 1:
        raise launch.UsageError(
            f'a share of the labels must be in (0, 1], got {fraction:g}; 1 '
            'stands for all of them'
        )
    for node in iter_dataset_cfgs(cfg.train_dataloader['dataset']):
        node.update(label_fraction=fraction, label_seed=seed)
