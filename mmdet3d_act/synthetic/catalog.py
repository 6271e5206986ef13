"""Categories by name, and the random stream of each object."""

from __future__ import annotations

import zlib

import numpy as np

from . import fixtures, furniture, things
from .category import REGISTRY, Category

# Importing them registers their categories.
MODULES = (furniture, things, fixtures)


def category_names() -> list[str]:
    """List the categories of objects, without what only rooms have."""
    return sorted(name for name, kind in REGISTRY.items() if kind.synset)


def get_category(name: str) -> Category:
    """Look up a category by its name."""
    if name not in REGISTRY:
        raise ValueError(
            f'category must be one of {", ".join(category_names())}, got '
            f'{name!r}'
        )
    return REGISTRY[name]


def stream(
    seed: int, split: str, name: str, index: int
) -> np.random.Generator:
    """Make the random stream of one object or room.

    It depends on nothing else: neither on the number of workers nor on what
    else is made.

    Args:
        seed: Seed of the whole set, at least 0.
        split: Name of the split, such as 'pretrain' or 'test'.
        name: Name of the category.
        index: Number within split and category.
    """
    words = [zlib.crc32(text.encode()) for text in (split, name)]
    return np.random.default_rng((seed, *words, index))
