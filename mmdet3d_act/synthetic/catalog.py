"""All categories, and objects drawn from them by number.

Importing the modules of the categories registers them.
"""

from __future__ import annotations

import zlib

import numpy as np

from . import devices, seating, storage, vehicles, vessels
from .category import Category, registered

MODULES = (devices, seating, storage, vehicles, vessels)


def category_names() -> list[str]:
    """Return the names of all categories, sorted."""
    return list(registered())


def get_category(name: str) -> Category:
    """Return the category of a name.

    Args:
        name: One of :func:`category_names`.

    Raises:
        ValueError: If there is no such category.
    """
    known = registered()
    if name not in known:
        raise ValueError(
            f'category must be one of {", ".join(known)}, got {name!r}; '
            'correct the name'
        )
    return known[name]


def shape_rng(
    seed: int, split: str, name: str, index: int
) -> np.random.Generator:
    """Return the random stream of one object.

    Streams of different splits, categories and indices are independent, so
    that neither the number of workers nor what else is generated changes an
    object.

    Args:
        seed: Seed of the whole set, at least 0.
        split: Name of the split, such as 'pretrain' or 'test'.
        name: Name of the category.
        index: Number of the object within split and category.
    """
    words = [zlib.crc32(text.encode()) for text in (split, name)]
    return np.random.default_rng((seed, *words, index))
