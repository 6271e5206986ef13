"""Numbers in messages."""

from __future__ import annotations


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number and what there are so many of.

    Args:
        number: How many.
        one: What stands after 1.
        many: What stands after other numbers; None adds an s.

    Example:
        >>> counted(1, 'epoch is', 'epochs are'), counted(2, 'sample')
        ('1 epoch is', '2 samples')
    """
    return f'{number} {one if number == 1 else many or f"{one}s"}'
