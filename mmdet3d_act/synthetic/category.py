"""Categories of objects: a name, parts, and a function that draws them."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np

from .solids import Solid, join

Option = TypeVar('Option')


class Shape(NamedTuple):
    """One object: a mesh whose faces know their part.

    Attributes:
        vertices: (V, 3) float, y up.
        faces: (F, 3) int.
        labels: (F,) int, index into `part_names`, or -1 for clutter.
        part_names: The parts of the category; a shape need not have all.
    """

    vertices: np.ndarray
    faces: np.ndarray
    labels: np.ndarray
    part_names: tuple[str, ...]


class Draw:
    """Draws random numbers for one object and collects its parts.

    Every part is turned a little, so that no object is exactly symmetric;
    the whole is stretched, sheared and tapered a little.
    """

    def __init__(
        self, part_names: tuple[str, ...], rng: np.random.Generator
    ) -> None:
        self.part_names = part_names
        self.rng = rng
        self._solids: list[Solid] = []
        self._labels: list[int] = []

    def __call__(self, low: float, high: float) -> float:
        """Draw a number from [low, high)."""
        return float(self.rng.uniform(low, high))

    def chance(self, probability: float) -> bool:
        """Draw whether something is."""
        return bool(self.rng.random() < probability)

    def count(self, low: int, high: int) -> int:
        """Draw an integer from low to high, inclusive."""
        return int(self.rng.integers(low, high + 1))

    def pick(self, *options: Option) -> Option:
        """Draw one of the options; one that comes twice is twice as likely."""
        return options[int(self.rng.integers(len(options)))]

    def add(self, part: str, *solids: Solid) -> None:
        """Add solids, at their place in the object, to a part."""
        for solid in solids:
            angles = self.rng.normal(0.0, 0.012, 3)
            center = solid.vertices.mean(axis=0)
            for axis, angle in zip('xyz', angles, strict=True):
                solid = solid.turned(axis, angle, center)
            self._solids.append(solid)
            self._labels.append(self.part_names.index(part))

    def shape(self) -> Shape:
        """Join the parts; the object stands in the middle on y = 0."""
        whole = join(*self._solids)
        sizes = [len(solid.faces) for solid in self._solids]
        vertices = self._deform(whole.vertices)
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        middle = (low + high) / 2
        middle[1] = low[1]
        labels = np.repeat(self._labels, sizes)
        return Shape(vertices - middle, whole.faces, labels, self.part_names)

    def _deform(self, vertices: np.ndarray) -> np.ndarray:
        """Stretch, taper and shear at random."""
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        relative = (vertices - (low + high) / 2) / (high - low).max()
        out = relative * np.exp(self.rng.normal(0.0, 0.07, 3))
        height = relative[:, 1:2]
        out[:, [0, 2]] *= 1 + self.rng.normal(0.0, 0.04, 2) * height
        out[:, [0, 2]] += self.rng.normal(0.0, 0.02, 2) * height
        return out


class Category(NamedTuple):
    """A kind of object.

    Attributes:
        name: Its name, also the folder name of labelled sets.
        synset: ShapeNet's synset where the category is one of ShapeNet's;
            otherwise a number from 99000000 up, above every WordNet offset.
            Empty: it is only drawn in rooms.
        part_names: Its parts, in the order of their ids.
        build: Draws the parts of one object.
    """

    name: str
    synset: str
    part_names: tuple[str, ...]
    build: Callable[[Draw], None]

    def draw(self, rng: np.random.Generator) -> Shape:
        """Draw an object; the same state of the stream gives the same."""
        draw = Draw(self.part_names, rng)
        self.build(draw)
        return draw.shape()


REGISTRY: dict[str, Category] = {}


def category(name: str, synset: str, parts: str) -> Callable:
    """Make a decorator that registers the function that draws a category.

    Args:
        name: Name of the category.
        synset: Eight digits or nothing, see :class:`Category`.
        parts: Names of the parts, separated by blanks.
    """

    def register(build: Callable[[Draw], None]) -> Callable[[Draw], None]:
        REGISTRY[name] = Category(name, synset, tuple(parts.split()), build)
        return build

    return register


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
    seed: int, split: str, name: str, number: int
) -> np.random.Generator:
    """Make the random stream of one object or room.

    It depends on nothing else: neither on the number of workers nor on what
    else is made.

    Args:
        seed: Seed of the whole set, at least 0.
        split: Name of the split, such as 'pretrain' or 'test'.
        name: Name of the category.
        number: Of the object within split and category.
    """
    words = [zlib.crc32(text.encode()) for text in (split, name)]
    return np.random.default_rng((seed, *words, number))
