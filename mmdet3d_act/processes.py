"""Processes that work for a tool."""

from __future__ import annotations

import multiprocessing
import signal


def ignore_interrupt() -> None:
    """Leave Ctrl-C to the process that started this one.

    The terminal interrupts all processes of a tool, and each would print a
    traceback. For the ``initializer`` of a pool. The tool itself ends them;
    if the interrupt did, one could take a lock of the pool with it, for which
    the tool then waits.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def end_workers() -> None:
    """End all processes that this one has started, in the midst of work.

    For work that writes nothing half.
    """
    for process in multiprocessing.active_children():
        process.terminate()
