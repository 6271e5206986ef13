"""How far a tool is: a bar on a terminal, a few lines in a log file."""

from __future__ import annotations

import math
import sys
import time
from types import TracebackType

from mmengine.utils import ProgressBar

BAR_WIDTH = 30
# Shortest time between two states of the bar, in seconds.
REFRESH = 0.2
# Without a terminal there is a line for every tenth, and an early one, which
# tells how long all of it will take.
STEP, FIRST = 0.1, 0.01


class ProgressDisplay:
    """Shows the progress that a function reports, with the time left.

    On a terminal it is MMEngine's bar. Elsewhere a bar would become one long
    line: there, a line is printed for every tenth of the work.

    Example:
        >>> with ProgressDisplay('scenes') as progress:
        ...     for done in range(3):
        ...         progress(done, 2)
          1 of 2 scenes (50%), 0 s left
          2 of 2 scenes (100%), took 0 s

    Args:
        what: What is counted, for the lines.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._begun: tuple[int, float] | None = None
        self._bar: ProgressBar | None = None
        self._shown = 0.0

    def __enter__(self) -> ProgressDisplay:
        """Return the display."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the line of a bar that was left."""
        self._end_bar()

    def __call__(self, done: int, total: int) -> None:
        """Show the state, not too often.

        Args:
            done: What is done; of the first call: what was done before, and
                took no time.
            total: All that there is.
        """
        now = time.monotonic()
        if self._begun is None:
            self._begun = done, now
            self._begin(done, total)
        elif sys.stdout.isatty():
            self._refresh(done, total, now)
        else:
            self._print(done, total, now)

    def _begin(self, done: int, total: int) -> None:
        if done >= total:
            return
        if done:
            there = f'{done} of {total} {self.what} are there'
            print(there, flush=True)  # noqa: T201
        if sys.stdout.isatty():
            self._bar = ProgressBar(total - done, BAR_WIDTH, file=sys.stdout)

    def _refresh(self, done: int, total: int, now: float) -> None:
        if self._bar is None or (done < total and now - self._shown < REFRESH):
            return
        news = done - self._begun[0] - self._bar.completed
        if news > 0:
            self._shown = now
            self._bar.update(news)
        if done >= total:
            self._end_bar()

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar = None
            print(flush=True)  # noqa: T201

    def _print(self, done: int, total: int, now: float) -> None:
        before, start = self._begun
        fresh = done - before
        share = done / total if total else 1.0
        if fresh < 1 or share < self._next_share(before / max(total, 1)):
            return
        self._shown = share
        spent = now - start
        time_left = spent / fresh * (total - done)
        told = (
            f'{duration(time_left)} left'
            if done < total
            else f'took {duration(spent)}'
        )
        print(  # noqa: T201
            f'  {done} of {total} {self.what} ({share:.0%}), {told}',
            flush=True,
        )

    def _next_share(self, before: float) -> float:
        """Return which share the next line is for."""
        last = max(self._shown, before)
        tenth = (math.floor(last / STEP + 1e-9) + 1) * STEP - 1e-9
        return tenth if self._shown else min(tenth, last + FIRST)


def duration(seconds: float) -> str:
    """Return a duration as people write it.

    Args:
        seconds: The duration.

    Example:
        >>> duration(9), duration(75), duration(4000)
        ('9 s', '1:15 min', '1:06 h')
    """
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f'{rest} s'
    if minutes < 60:
        return f'{minutes}:{rest:02d} min'
    return '{}:{:02d} h'.format(*divmod(minutes, 60))
