"""Trainings and validations of configs, as functions."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmdet3d_act.engine import launch


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
        """Report now and then.

        Args:
            runner: The runner of the training.
            batch_idx: Not used.
            data_batch: Not used.
            outputs: The iteration's logged values.
        """
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
    work_dir: str,
    *,
    seed: int = 0,
    amp: bool = False,
    options: dict | None = None,
    adapt: Callable[[Config], None] | None = None,
) -> Config:
    """Return a config that is ready to run in this process.

    Args:
        config: A config file.
        work_dir: Folder for logs and checkpoints.
        seed: Seed of everything, >= 0.
        amp: Whether to train in mixed precision.
        options: Dotted names and values that replace the file's.
        adapt: Changes the config further before it is checked.

    Raises:
        UsageError: If the config cannot be read, or something that it needs
            is missing: all of it in one message.
    """
    cfg = launch.load_config(config, options)
    cfg.launcher = 'none'
    launch.set_work_dir(cfg, work_dir, config)
    launch.set_seed(cfg, seed)
    if adapt is not None:
        adapt(cfg)
    if amp:
        launch.enable_amp(cfg)
    launch.check_training(cfg, config)
    return cfg


def train(cfg: Config, progress: RunProgress | None = None) -> str:
    """Train a config and return the path of its last checkpoint.

    Args:
        cfg: From :func:`prepare_config`.
        progress: Reports the progress.

    Raises:
        UsageError: If the training samples make no batch.
    """
    runner = _build_runner(cfg)
    if progress is not None:
        runner.register_hook(progress)
    launch.start_training(runner)
    return str(launch.last_checkpoint(runner.work_dir))


def validate(cfg: Config, checkpoint: str | None = None) -> dict[str, float]:
    """Return the validation metrics of a checkpoint.

    Args:
        cfg: From :func:`prepare_config`.
        checkpoint: None validates the model as it is initialised.
    """
    cfg = cfg.copy()
    cfg.load_from = checkpoint
    cfg.resume = False
    return _build_runner(cfg).val()


_RUNS = 0


def _build_runner(cfg: Config) -> Runner:
    # MMEngine keeps one runner, logger and message hub for each experiment
    # name, and one visualizer, with its folder, for each name of one; runs of
    # a process would share theirs.
    global _RUNS
    _RUNS += 1
    cfg = cfg.copy()
    stamp = time.strftime('%Y%m%d_%H%M%S')
    cfg.experiment_name = f'run{_RUNS}_{stamp}'
    if cfg.get('visualizer'):
        cfg.visualizer = {**cfg.visualizer, 'name': cfg.experiment_name}
    return launch.build_runner(cfg)
