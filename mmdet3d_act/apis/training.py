"""Trainings and validations of configs, as functions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import torch
from mmengine.config import Config
from mmengine.dist import barrier
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmdet3d_act.apis.loading import build_dataset, initialize
from mmdet3d_act.checkpoint import find_checkpoint, pretrained_part
from mmdet3d_act.datasets.base import iter_datasets
from mmdet3d_act.engine import launch
from mmdet3d_act.engine.distributed import unwrapped
from mmdet3d_act.engine.hooks.stored_target_hook import fit_to_stores
from mmdet3d_act.engine.preflight import iter_typed
from mmdet3d_act.registry import MODELS, registered_classes
from mmdet3d_act.text import counted, inform

# Of faulty files, how many are told.
_SHOWN = 20
_TRAINED = ('model', 'train_dataloader', 'train_cfg')


class RunProgress(Hook):
    """Reports the progress of a training, with the time left.

    Args:
        report: Called with the share that is done, in [0, 1], the seconds
            that are left (an estimate) and the last logged values.
        every: Seconds between two reports.
    """

    priority = 'VERY_LOW'

    def __init__(
        self, report: Callable[[float, float, dict], None], every: float = 1.0
    ) -> None:
        self.report = report
        self.every = every

    def before_train(self, runner: Runner) -> None:
        """Start the clock."""
        self._start = self._last = time.monotonic()
        self._first_iter = runner.iter

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Report now and then."""
        now = time.monotonic()
        done = runner.iter + 1
        if now - self._last < self.every and done < runner.max_iters:
            return
        self._last = now
        pace = (now - self._start) / (done - self._first_iter)
        values = {
            name: float(torch.as_tensor(value).detach())
            for name, value in outputs.items()
        }
        self.report(
            done / runner.max_iters, pace * (runner.max_iters - done), values
        )


def prepare_config(
    config: str,
    work_dir: str | None = None,
    *,
    options: dict | None = None,
    adapt: Callable[[Config], None] | None = None,
    seed: int | None = None,
    deterministic: bool = False,
    epochs: int | None = None,
    resume: str | None = None,
    amp: bool = False,
    auto_scale_lr: bool = False,
    launcher: str = 'none',
) -> Config:
    """Read a config and make it ready to train.

    Args:
        config: A config file.
        work_dir: Folder for logs and checkpoints; None takes the config's,
            or one named after it below ``work_dirs``.
        options: Dotted names and values that replace the file's.
        adapt: Changes the config further before it is checked.
        seed: Seed of everything, >= 0; None keeps the config's.
        deterministic: Whether PyTorch may use deterministic kernels only.
        epochs: Length of the training, see :func:`set_epochs`.
        resume: A checkpoint to continue from; ``'auto'`` takes the last one
            of the work directory where there is one.
        amp: Whether to train in mixed precision.
        auto_scale_lr: Whether to scale the learning rate with the total
            batch size.
        launcher: What started the processes.

    Raises:
        UsageError: If the config cannot be read, or something that it needs
            is missing: all of it in one message.
    """
    cfg = launch.load_config(config, options)
    launch.require(cfg, _TRAINED, config)
    cfg.launcher = launcher
    launch.set_work_dir(cfg, work_dir, config)
    launch.set_seed(cfg, seed, deterministic)
    launch.set_resume(cfg, resume)
    if adapt is not None:
        adapt(cfg)
    if epochs is not None:
        set_epochs(cfg, epochs, config)
    if amp:
        launch.enable_amp(cfg)
    if auto_scale_lr:
        given = cfg.get('auto_scale_lr') or {}
        cfg.auto_scale_lr = {**given, 'enable': True}
    launch.check_requirements(cfg, config, launch.TRAIN_PARTS)
    return cfg


def check_files(cfg: Config, config: str) -> list[str]:
    """Open all that a training reads: weights, and the head of each cloud.

    Args:
        cfg: From :func:`prepare_config`.
        config: Name of the config file, for messages.

    Returns:
        What is wrong with clouds that the training would leave out.

    Raises:
        UsageError: If it would stop at a cloud, or none is left.
        CheckpointError: If weights, of a teacher too, do not fit, or stored
            targets are of another teacher or missing.
    """
    init_default_scope(cfg.get('default_scope', 'mmdet3d'))
    # By their names MMEngine would import all models of MMDetection3D first.
    for typed in iter_typed([cfg.get(part) for part in launch.TRAIN_PARTS]):
        for cls in registered_classes(typed['type']):
            if cls.__module__.startswith('mmdet3d_act.'):
                typed.update(type=cls)
    model = MODELS.build(cfg.model)
    initialize(model)
    left_out: list[str] = []
    for part in ('train', 'val'):
        if not cfg.get(f'{part}_dataloader'):
            continue
        whole = build_dataset(cfg, config, part)
        fit_to_stores(model, [whole])
        for dataset in iter_datasets(whole):
            if not hasattr(dataset, 'find_faults'):
                continue
            faults = dataset.find_faults()
            stops = dataset.on_error == 'raise' or len(faults) == len(dataset)
            if faults and stops:
                shown = '\n'.join(faults[:_SHOWN])
                raise launch.UsageError(
                    f'{len(faults)} of {len(dataset)} clouds of the {part} '
                    f'data cannot be used:\n{shown}'
                )
            left_out += faults
    return left_out


def train(cfg: Config, hooks: Sequence[Hook] = ()) -> str | None:
    """Train a config; return its last checkpoint, None where it saved none.

    Raises:
        UsageError: If the training samples make no batch.
    """
    runner = _build_runner(cfg)
    for hook in hooks:
        runner.register_hook(hook)
    launch.start_training(runner)
    # The first process writes what the others read now.
    barrier()
    checkpoint = find_checkpoint(runner.work_dir)
    inform(
        f'Done. Checkpoint: {checkpoint or "none was saved"}; log: '
        f'{runner.log_dir}'
    )
    return str(checkpoint) if checkpoint else None


def validate(cfg: Config, checkpoint: str | None = None) -> dict[str, float]:
    """Compute the validation metrics of a checkpoint.

    Args:
        cfg: From :func:`prepare_config`.
        checkpoint: None validates the model as it is initialised, with the
            checkpoint that its student or backbone starts from.
    """
    cfg = cfg.copy()
    cfg.load_from = checkpoint
    cfg.resume = False
    runner = _build_runner(cfg)
    if checkpoint is None:
        # MMEngine does so before a training only.
        for part in ('student', 'backbone'):
            module = getattr(unwrapped(runner.model), part, None)
            if pretrained_part(getattr(module, 'init_cfg', None)) is not None:
                module.init_weights()
    return runner.val()


_NUM_RUNNERS = 0


def _build_runner(cfg: Config) -> Runner:
    # MMEngine keeps one runner, logger, message hub and visualizer for each
    # experiment name; runs of a process would share theirs.
    global _NUM_RUNNERS
    _NUM_RUNNERS += 1
    cfg = cfg.copy()
    cfg.experiment_name = f'run{_NUM_RUNNERS}'
    return launch.build_runner(cfg)


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
    remedy = 'choose its length by --cfg-options train_cfg.max_iters=...'
    launch.require(cfg.train_cfg, ['max_epochs'], config, remedy=remedy)
    old = cfg.train_cfg['max_epochs']
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
    at_the_end = interval >= min(old, epochs)
    cfg.train_cfg['val_interval'] = epochs if at_the_end else interval


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
