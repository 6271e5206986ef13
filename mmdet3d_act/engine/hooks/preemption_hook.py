"""Saves and ends a training that is asked to end."""

from __future__ import annotations

import atexit
import logging
import multiprocessing
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from math import inf
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
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import distributed as torch_dist

from mmdet3d_act.checkpoint import LAST_CHECKPOINT, PREEMPTED
from mmdet3d_act.registry import HOOKS
from mmdet3d_act.text import inform

_DONE = 'num_done_of_epoch'
# Seconds of a validation that a signal may wait for.
_SHORT = 10.0


@HOOKS.register_module()
class PreemptionHook(Hook):
    """Saves on SIGTERM and exits with code 0, within 30 seconds.

    Clusters and spot machines send it some seconds before they kill. All
    processes end once one of them was asked to, after the iteration that is
    running; ``--resume`` goes on in the middle of the epoch, with the same
    samples and random numbers (with this package's `EpochSampler`; other
    samplers begin the epoch anew).

    A validation is not waited for, as its metrics may take minutes: before
    one that takes more than 10 seconds (the first, and those after a long
    one) a checkpoint is saved if there is none of its iteration. Then, and
    while a training starts, all is on the disk, and a thread ends the process
    whatever its main thread does. ``--resume`` validates again.
    """

    # After checkpoints and logs of the iteration.
    priority = 'LOWEST'

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._asked = False
        self._meta: dict[str, int] = {}

    def listen(self) -> None:
        """Listen to the signal from now on."""
        main = threading.current_thread() is threading.main_thread()
        if self._thread is not None or not main:
            return
        self._asked = self._stopped = False
        self._pid = os.getpid()
        # Whether all that has been trained is on the disk, and its iteration.
        self._idle = True
        self._saved: int | None = None
        self._began, self._lasted = inf, inf
        self._group = self._threads = None
        if is_distributed():
            self._group = torch_dist.new_group(backend='gloo')
            self._threads = torch_dist.new_group(backend='gloo')
        self._before = signal.signal(signal.SIGTERM, self._ask)
        pipe, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        # Unlike `_ask`, it is called while C code runs, as of a probe's fit.
        self._before_fd = signal.set_wakeup_fd(
            self._wake, warn_on_full_buffer=False
        )
        os.register_at_fork(after_in_child=self._forget)
        self._thread = threading.Thread(
            target=self._watch, args=(pipe,), daemon=True
        )
        self._thread.start()

    def before_train(self, runner: Runner) -> None:
        """Listen to the signal; skip what the resumed epoch has done."""
        self.listen()
        self._saved = runner.iter
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
        atexit.register(_end_workers)

    def after_train(self, runner: Runner) -> None:
        """Listen no more."""
        if self._thread is None:
            return
        self._stopped = True
        signal.set_wakeup_fd(self._before_fd)
        signal.signal(signal.SIGTERM, self._before or signal.SIG_DFL)
        os.close(self._wake)
        # Where it ends the process, the error of a lost peer is none.
        self._thread.join(5)
        self._thread = None
        note = Path(runner.work_dir, LAST_CHECKPOINT)
        last = note.read_bytes() if note.is_file() else PREEMPTED.encode()
        if is_main_process() and PREEMPTED.encode() not in last:
            # What came after it is saved.
            note.with_name(PREEMPTED).unlink(missing_ok=True)

    def before_train_epoch(self, runner: Runner) -> None:
        """Save and exit where a process was asked to between two epochs.

        Raises:
            SystemExit: Then, with code 0.
        """
        if self._is_true(self._asked):
            self._exit(runner, runner.iter, self._done)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, *_: Any, **__: Any
    ) -> None:
        """Save and exit where a process was asked to.

        Raises:
            SystemExit: Then, with code 0.
        """
        self._idle = False
        loader, done = runner.train_dataloader, 0
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            total = loader.batch_size * get_world_size()
            done = self._done + (batch_idx + 1) * total
            if done >= len(loader) * total:
                # The end of the epoch comes first: its schedules step then.
                self._done = 0
                return
        if self._is_true(self._asked):
            self._exit(runner, runner.iter + 1, done)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Note what is on the disk soon."""
        # FlexibleRunner counts the next iteration too.
        checkpoint['meta'].update(self._meta)
        if self._thread is not None:
            self._saved = checkpoint['meta']['iter']

    def before_val(self, runner: Runner) -> None:
        """Save what a long validation could make wait.

        Raises:
            SystemExit: With code 0 where a process was asked to end.
        """
        if self._thread is None:
            return
        if self._is_true(self._asked):
            self._exit(runner, runner.iter, 0)
        self._began = time.monotonic()
        # The first process saves, or all do.
        missing = is_main_process() and self._saved != runner.iter
        if self._is_true(missing and self._lasted > _SHORT):
            self._save(runner, runner.iter, 0)
            missing = False
        self._idle = not self._is_true(missing)

    def after_val(self, runner: Runner) -> None:
        """Note how long validations last."""
        if self._thread is not None:
            self._idle = False
            self._lasted = time.monotonic() - self._began

    def _ask(self, number: int, _: object) -> None:
        if os.getpid() == self._pid:
            self._asked = True
        else:
            # A process that the training has forked.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def _forget(self) -> None:
        """Leave the pipe to the process that has forked this one."""
        if self._thread is not None:
            signal.set_wakeup_fd(-1)

    def _watch(self, pipe: int) -> None:
        """End the process where one was asked to and all is on the disk.

        Main threads may be anywhere, in a collective too: those of all
        processes look once a second, in a group of their own.
        """
        asked = False
        while True:
            if select.select([pipe], [], [], 1)[0]:
                sent = os.read(pipe, 1024)
                asked |= signal.SIGTERM in sent
                self._asked |= asked
                # Closed: not asked again, but not faster either.
                time.sleep(0 if sent else 0.1)
            flags = torch.tensor([asked and self._idle, not self._stopped])
            if self._threads is not None:
                flags = flags.int()
                try:
                    torch_dist.all_reduce(
                        flags, torch_dist.ReduceOp.MAX, group=self._threads
                    )
                except RuntimeError:
                    # A process is lost; that is the main thread's affair.
                    break
            if flags[0]:
                # The main thread may hold what writing needs.
                threading.Timer(5, os._exit, (0,)).start()
                self._tell(self._saved)
                logging.shutdown()
                sys.stdout.flush()
                os._exit(0)
            if not flags[1]:
                break
        os.close(pipe)

    def _is_true(self, one: bool) -> bool:
        """Tell whether something is true in one of the processes."""
        if self._thread is None or self._group is None:
            return self._thread is not None and one
        flag = torch.tensor(int(one))
        torch_dist.all_reduce(flag, torch_dist.ReduceOp.MAX, group=self._group)
        return bool(flag)

    def _exit(self, runner: Runner, num_iters: int, done: int) -> None:
        self._save(runner, num_iters, done)
        self._tell(num_iters)
        raise SystemExit(0)

    def _save(self, runner: Runner, num_iters: int, done: int) -> None:
        runner.message_hub.update_info(_DONE, done)
        backend_args = dict(backend='atomic')
        self._meta = dict(epoch=runner.epoch, iter=num_iters)
        runner.save_checkpoint(
            runner.work_dir,
            PREEMPTED,
            by_epoch=False,
            backend_args=backend_args,
        )
        self._meta = {}
        if is_main_process():
            path = Path(runner.work_dir, PREEMPTED)
            backend = get_file_backend(backend_args=backend_args)
            backend.put(str(path).encode(), path.with_name(LAST_CHECKPOINT))
        if self._group is not None:
            torch_dist.barrier(self._group)

    @staticmethod
    def _tell(num_iters: int | None) -> None:
        if num_iters is None:
            inform('asked to end (SIGTERM) before the training began')
            return
        inform(
            f'asked to end (SIGTERM): saved after iteration {num_iters}; the '
            'same command with --resume goes on from it'
        )


def _end_workers() -> None:
    """End processes that read samples, which ignore the signal for it.

    Python would send it at its exit, and wait for them for ever.
    """
    # PyTorch takes the end of a reader for an error.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for child in multiprocessing.active_children():
        if child.daemon:
            child.kill()


def _init(before: Callable[[int], None] | None, worker: int) -> None:
    """Leave the signal to the process whose samples a worker reads."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if before is not None:
        before(worker)
