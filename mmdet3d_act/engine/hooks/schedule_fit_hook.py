"""Resumes a training with another length than it began with."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.optim import ReduceOnPlateauParamScheduler, _ParamScheduler
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, Runner

from mmdet3d_act.registry import HOOKS
from mmdet3d_act.text import warn

# What a scheduler counts; the rest of its state are its settings.
PROGRESS = {'last_step', '_global_step', '_last_value', 'base_values'}


@HOOKS.register_module()
class ScheduleFitHook(Hook):
    """Fits the learning rates of a resumed training to its present length.

    MMEngine restores the settings of the schedulers with their progress: a
    training that is resumed with more epochs, or other batches, would go on
    at the end of its old schedule. Where the settings differ, the steps that
    were done are taken anew with the present ones.
    """

    # Before other hooks look at the rates.
    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self._fresh: list[dict] | None = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep other settings out of the schedulers of this training."""
        loop, schedulers = runner._train_loop, runner.param_schedulers
        saved = checkpoint.get('param_schedulers')
        trains = isinstance(loop, BaseLoop) and isinstance(schedulers, list)
        if not (runner._resume and trains and isinstance(saved, list)):
            return
        by_metric = ReduceOnPlateauParamScheduler
        if any(isinstance(scheduler, by_metric) for scheduler in schedulers):
            return
        if not _differ(saved, [one.state_dict() for one in schedulers]):
            return
        del checkpoint['param_schedulers']
        names = {scheduler.param_name for scheduler in schedulers}
        self._fresh = [
            {name: group[name] for name in names if name in group}
            for group in runner.optim_wrapper.param_groups
        ]
        if isinstance(loop, EpochBasedTrainLoop):
            steps = checkpoint['meta']['epoch'] * len(loop.dataloader)
            checkpoint['meta']['iter'] = steps
        warn(
            'the length of the training or of its epochs is not that of the '
            'checkpoint: its schedule is fitted to the present one'
        )

    def before_train(self, runner: Runner) -> None:
        """Take the steps that were done, with the present settings."""
        if self._fresh is None:
            return
        groups = runner.optim_wrapper.param_groups
        for group, fresh in zip(groups, self._fresh, strict=True):
            group.update(fresh)
        self._fresh = None
        loop, schedulers = runner.train_loop, runner.param_schedulers
        by_step = [one for one in schedulers if not one.by_epoch]
        by_epoch = [one for one in schedulers if one.by_epoch]
        in_epochs = isinstance(loop, EpochBasedTrainLoop)
        epoch_length = len(loop.dataloader) if in_epochs else loop.max_iters
        for step in range(1, runner.iter + 1):
            _step(by_step)
            if step % epoch_length == 0:
                _step(by_epoch)


def _differ(saved: list[dict], present: list[dict]) -> bool:
    """Compare the settings of schedulers, as far as both have them."""
    if len(saved) != len(present):
        return True
    return any(
        old[key] != new[key]
        for old, new in zip(saved, present, strict=True)
        for key in old.keys() & new.keys() - PROGRESS
    )


def _step(schedulers: list[_ParamScheduler]) -> None:
    for scheduler in schedulers:
        scheduler.step()
