"""Saves and ends a training that is asked to end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import (
    get_world_size,
    is_distributed,
    is_main_process,
)
from mmengine.fileio import get_file_backend
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import distributed as torch_dist

from mmdet3d_act.checkpoint import LAST_CHECKPOINT
from mmdet3d_act.registry import HOOKS

FILE = 'preempted.pth'
_DONE = 'num_done_of_epoch'


@HOOKS.register_module()
class PreemptionHook(Hook):
    """Saves on SIGTERM, after the iteration that is running, and exits.

    Clusters and spot machines send it some seconds before they kill. All
    processes end with exit code 0 once one of them was asked to (several
    processes that are validating: after the next training iteration), and
    ``--resume`` goes on in the middle of the epoch, with the same samples and
    random numbers (with this package's `EpochSampler`; other samplers begin
    the epoch anew).
    """

    # After checkpoints and logs of the iteration.
    priority = 'LOWEST'

    def __init__(self) -> None:
        self._before: Any = None

    def before_train(self, runner: Runner) -> None:
        """Listen to the signal; skip what the resumed epoch has done."""
        self._asked, self._pid = False, os.getpid()
        self._group = None
        if is_distributed():
            self._group = torch_dist.new_group(backend='gloo')
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._ask)
        # Samples of the epoch that all processes have trained with.
        self._done = runner.message_hub.pop_info(_DONE, 0)
        loader = runner.train_dataloader
        loader.sampler.num_done = self._done // get_world_size()

        loaders = [loader]
        if runner.val_loop is not None:
            loaders.append(runner.val_dataloader)
        for loader in loaders:
            # The signal may reach all processes of a job.
            loader.worker_init_fn = partial(_init, loader.worker_init_fn)

    def after_train(self, runner: Runner) -> None:
        """Listen no more."""
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
            self._before = None

    def after_train_iter(
        self, runner: Runner, batch_idx: int, *_: Any, **__: Any
    ) -> None:
        """Save and exit where a process was asked to.

        Raises:
            SystemExit: Then, with code 0.
        """
        loader, done = runner.train_dataloader, 0
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            total = loader.batch_size * get_world_size()
            done = self._done + (batch_idx + 1) * total
            if done >= len(loader) * total:
                # The end of the epoch comes first: its schedules step then.
                self._done = 0
                return
        if self._is_asked():
            self._save(runner, runner.iter + 1, done)

    def after_val_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        """Save and exit where the only process was asked to.

        Raises:
            SystemExit: Then, with code 0. Resuming validates again.
        """
        if self._before is not None and self._group is None and self._asked:
            self._save(runner, runner.iter, 0)

    def _ask(self, number: int, _: object) -> None:
        if os.getpid() == self._pid:
            self._asked = True
        else:
            # A process that the training has forked.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def _is_asked(self) -> bool:
        if self._group is None:
            return self._asked
        asked = torch.tensor(int(self._asked))
        torch_dist.all_reduce(
            asked, torch_dist.ReduceOp.MAX, group=self._group
        )
        return bool(asked)

    def _save(self, runner: Runner, num_iters: int, done: int) -> None:
        runner.message_hub.update_info(_DONE, done)
        backend_args = dict(backend='atomic')
        runner.save_checkpoint(
            runner.work_dir,
            FILE,
            meta=dict(epoch=runner.epoch, iter=num_iters),
            by_epoch=False,
            backend_args=backend_args,
        )
        if is_main_process():
            folder = Path(runner.work_dir)
            backend = get_file_backend(backend_args=backend_args)
            backend.put(str(folder / FILE).encode(), folder / LAST_CHECKPOINT)
        if self._group is not None:
            torch_dist.barrier(self._group)
        print_log(
            f'asked to end (SIGTERM): {FILE} is saved after iteration '
            f'{num_iters}; the same command with --resume goes on from it',
            logger='current',
        )
        raise SystemExit(0)


def _init(before: Callable[[int], None] | None, worker: int) -> None:
    """Leave the signal to the process whose samples a worker reads."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if before is not None:
        before(worker)
