"""The registry of categories, and the builder that collects their parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from .mesh import Mesh, Shape, joined, rotation

BuildFunction = Callable[['ShapeBuilder'], None]

_REGISTRY: dict[str, Category] = {}


class ShapeBuilder:
    """Collects the parts of one object.

    Every part gets a tiny displacement of its own, so that no two objects
    are exactly symmetric; the whole is stretched, sheared and tapered a
    little at the end.

    Args:
        part_names: The parts that the category knows.
        rng: Source of randomness, also for the category's own choices.
    """

    def __init__(
        self, part_names: tuple[str, ...], rng: np.random.Generator
    ) -> None:
        self.part_names = part_names
        self.rng = rng
        self._meshes: list[Mesh] = []
        self._labels: list[int] = []

    def uniform(self, low: float, high: float) -> float:
        """Return a number drawn uniformly from [low, high)."""
        return float(self.rng.uniform(low, high))

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return bool(self.rng.random() < probability)

    def count(self, low: int, high: int) -> int:
        """Return an integer drawn uniformly from low to high, inclusive."""
        return int(self.rng.integers(low, high + 1))

    def pick(self, *options: str) -> str:
        """Return one of the options, all equally likely."""
        return options[int(self.rng.integers(len(options)))]

    def add(self, part: str, *meshes: Mesh) -> None:
        """Add solids to a part.

        Args:
            part: A name in `part_names`.
            meshes: The solids, at their place in the object.

        Raises:
            ValueError: If the category does not know the part.
        """
        if part not in self.part_names:
            raise ValueError(
                f'part must be one of {self.part_names}, got {part!r}; name '
                'it where the category is registered'
            )
        for mesh in meshes:
            angles = self.rng.normal(0.0, 0.012, 3)
            turn = (
                rotation('x', angles[0])
                @ rotation('y', angles[1])
                @ rotation('z', angles[2])
            )
            center = mesh.vertices.mean(axis=0)
            vertices = (mesh.vertices - center) @ turn.T + center
            self._meshes.append(Mesh(vertices, mesh.faces))
            self._labels.append(self.part_names.index(part))

    def build(self) -> Shape:
        """Return the object, standing on y = 0 and centred in x and z.

        Raises:
            ValueError: If no part was added.
        """
        if not self._meshes:
            raise ValueError(
                'a shape must have parts, got none; call add() first'
            )
        whole = joined(self._meshes)
        labels = np.repeat(self._labels, [len(m.faces) for m in self._meshes])
        vertices = self._deformed(whole.vertices)
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        middle = (low + high) / 2
        middle[1] = low[1]
        return Shape(vertices - middle, whole.faces, labels, self.part_names)

    def _deformed(self, vertices: np.ndarray) -> np.ndarray:
        """Return the vertices stretched, sheared and tapered at random."""
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        relative = (vertices - (low + high) / 2) / (high - low).max()
        out = relative * np.exp(self.rng.normal(0.0, 0.07, 3))
        height = relative[:, 1:2]
        out[:, [0, 2]] *= 1 + self.rng.normal(0.0, 0.04, 2) * height
        out[:, [0, 2]] += self.rng.normal(0.0, 0.02, 2) * height
        return out


class Category(NamedTuple):
    """A kind of object that can be drawn at random.

    Attributes:
        name: Its name, also the folder name of labelled sets.
        synset: ShapeNet's synset where the category is one of ShapeNet's;
            otherwise a number from 99000000 up, above every WordNet offset,
            so that it cannot be taken for a real one.
        part_names: The names of its parts, in the order of their ids.
        build: Adds the parts of one object to a builder.
    """

    name: str
    synset: str
    part_names: tuple[str, ...]
    build: BuildFunction

    def draw(self, rng: np.random.Generator) -> Shape:
        """Return one object of this category.

        Args:
            rng: Source of randomness; the same state gives the same object.
        """
        builder = ShapeBuilder(self.part_names, rng)
        self.build(builder)
        return builder.build()


def category(
    name: str, synset: str, part_names: Iterable[str]
) -> Callable[[BuildFunction], BuildFunction]:
    """Return a decorator that registers a build function as a category.

    Args:
        name: Name of the category.
        synset: Eight digits, see :class:`Category`.
        part_names: Names of the parts, in the order of their ids.

    Raises:
        ValueError: If the name or the synset is taken.
    """
    taken = {entry.synset for entry in _REGISTRY.values()}
    if name in _REGISTRY or synset in taken:
        raise ValueError(
            f'category name and synset must be new, got {name!r}, {synset!r}; '
            'choose others'
        )

    def register(build: BuildFunction) -> BuildFunction:
        _REGISTRY[name] = Category(name, synset, tuple(part_names), build)
        return build

    return register


def registered() -> dict[str, Category]:
    """Return the categories registered so far, by name in sorted order."""
    return dict(sorted(_REGISTRY.items()))
