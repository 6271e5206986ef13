"""What users are told: lines of the log, refused options, counts."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches

from mmengine.logging import MMLogger, print_log


def inform(text: str) -> None:
    """Write a text to the log."""
    print_log(text, logger='current')


def warn(text: str) -> None:
    """Write a warning to the log."""
    print_log(text, logger='current', level=logging.WARNING)


@functools.cache
def log_once(text: str, level: int = logging.WARNING) -> None:
    """Log a text the first time that it is told."""
    print_log(text, logger='current', level=level)


@contextmanager
def quiet_log(level: str) -> Iterator[None]:
    """Keep lines below a level out of the log for a while."""
    logger = MMLogger.get_current_instance()
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)


def check_choice(name: str, value: object, allowed: Sequence) -> None:
    """Refuse an option's value that is not one of those allowed."""
    if value in allowed:
        return
    known = {one.lower(): one for one in allowed if isinstance(one, str)}
    near = get_close_matches(str(value).lower(), known, n=1)
    hint = f'; did you mean {known[near[0]]!r}?' if near else ''
    raise ValueError(
        f'{name} must be one of {tuple(allowed)}, got {value!r}{hint}'
    )


def check_least(name: str, value: float, least: float) -> None:
    """Refuse an option's value that is smaller than least, or no number."""
    if isinstance(value, str | None) or not value >= least:
        raise ValueError(f'{name} must be >= {least}, got {value!r}')


def aligned(rows: Sequence[Sequence[object]], digits: int = 2) -> str:
    """Lay out rows of a table, the first column to the left.

    Args:
        rows: The head, then the rows, all of the same length.
        digits: Of floats, behind the point.
    """
    texts = [
        [f'{c:.{digits}f}' if isinstance(c, float) else str(c) for c in row]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = [
        [first.ljust(widths[0]), *map(str.rjust, rest, widths[1:])]
        for first, *rest in texts
    ]
    return '\n'.join('  '.join(line) for line in lines)


def shortened(names: Sequence[str], number: int = 5) -> str:
    """Join names, only the first ones of many."""
    more = ', ...' if len(names) > number else ''
    return ', '.join(names[:number]) + more


def counted(number: int, one: str, many: str | None = None) -> str:
    """Format a number with its noun, in the plural where it is not 1.

    Args:
        number: How many.
        one: What stands after 1.
        many: What stands after other numbers; None adds an s.

    Example:
        >>> counted(1, 'epoch is', 'epochs are'), counted(2, 'sample')
        ('1 epoch is', '2 samples')
    """
    return f'{number} {one if number == 1 else many or f"{one}s"}'
