"""Processes that work for a tool."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

Task = TypeVar('Task')
Result = TypeVar('Result')


def work_off(
    work: Callable[[Task], Result], tasks: Sequence[Task], num_workers: int
) -> Iterator[tuple[Task, Result]]:
    """Yield tasks with their results: in order, or as processes finish them.

    Args:
        work: Done with each task; it writes nothing half, as Ctrl-C ends it.
        tasks: What is to be done.
        num_workers: Processes; up to 1 works in this one.

    Raises:
        OSError: If a process ended before its time.
    """
    if num_workers <= 1 or len(tasks) < 2:
        for task in tasks:
            yield task, work(task)
        return
    processes = min(num_workers, len(tasks))
    # The terminal interrupts all processes of a tool, and each would print a
    # traceback. This one ends them; if the interrupt did, one could take a
    # lock of the pool with it, for which this one would then wait.
    ignored = signal.SIGINT, signal.SIG_IGN
    with ProcessPoolExecutor(
        processes, initializer=signal.signal, initargs=ignored
    ) as pool:
        futures = {pool.submit(work, task): task for task in tasks}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except KeyboardInterrupt:
            for process in multiprocessing.active_children():
                process.terminate()
            raise
        except BrokenProcessPool as error:
            raise OSError(
                'A process ended before its time, perhaps for want of memory; '
                'use fewer workers.'
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
