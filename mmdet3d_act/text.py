"""Text of messages."""

from __future__ import annotations


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
