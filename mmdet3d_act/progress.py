"""Progress of tools: a line on a terminal, a few lines in a log file."""

from __future__ import annotations

import math
import sys
import time
from datetime import timedelta
from types import TracebackType

# Shortest time between two states of the line on a terminal, in seconds.
REFRESH = 0.2
# Without a terminal there is a line for every tenth, and an early one, which
# tells how long all of it will take.
STEP, FIRST = 0.1, 0.01


class ProgressDisplay:
    """Shows the progress that a function reports, with the time left.

    On a terminal one line is written anew. Elsewhere a line is printed for
    every tenth of the work.

    Example:
        >>> with ProgressDisplay('scenes') as progress:
        ...     for done in range(3):
        ...         progress(done, 2)
          1 of 2 scenes (50%), left 0:00:00
          2 of 2 scenes (100%), took 0:00:00

    Args:
        what: What is counted.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._begun: tuple[int, float] | None = None
        # The state that was shown last, and when.
        self._shown, self._time = 0.0, 0.0
        self._open = False

    def __enter__(self) -> ProgressDisplay:
        """Return the display."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End a line that was left."""
        if self._open:
            print(flush=True)  # noqa: T201

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
            self._shown = done / total if total else 1.0
            self._before = self._shown
            return
        before, start = self._begun
        fresh = done - before
        if fresh < 1 or not self._is_time(done / total, now):
            return
        self._shown, self._time = done / total, now
        spent = now - start
        seconds = spent / fresh * (total - done) if done < total else spent
        told = f'{"left" if done < total else "took"} ' + str(
            timedelta(seconds=round(seconds))
        )
        text = f'  {done} of {total} {self.what} ({done / total:.0%}), {told}'
        if sys.stdout.isatty():
            # Over the last state, which may be longer.
            text = f'\r{text:<72}'
            self._open = done < total
        print(text, end='' if self._open else '\n', flush=True)  # noqa: T201

    def _is_time(self, share: float, now: float) -> bool:
        """Tell whether the next state is to be shown."""
        if sys.stdout.isatty():
            return share == 1 or now - self._time >= REFRESH
        tenth = (math.floor(self._shown / STEP + 1e-9) + 1) * STEP - 1e-9
        first = self._shown == self._before
        return share >= (min(tenth, self._shown + FIRST) if first else tenth)
