"""Processes that work for a tool."""

from __future__ import annotations

import signal


def end_on_interrupt() -> None:
    """Let Ctrl-C end this process without a word.

    The terminal interrupts all processes of a tool, and each would print a
    traceback; that of the tool itself says what is to be said. For the
    ``initializer`` of a pool, whose processes write nothing half.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
