"""Shares of a data set's labels, drawn with a seed, class by class."""

from __future__ import annotations

import math
import zlib
from collections.abc import Hashable, Sequence

import numpy as np


def check_label_fraction(fraction: float, seed: int) -> None:
    """Refuse what is no share of labels, or no seed.

    Args:
        fraction: Share of the labels.
        seed: Seed of the draw.

    Raises:
        ValueError: If the share is outside (0, 1] or the seed negative.
    """
    if not 0 < fraction <= 1:
        raise ValueError(
            'label_fraction must be in (0, 1], such as 0.01 for one percent, '
            f'got {fraction}'
        )
    if seed < 0:
        raise ValueError(f'label_seed must be >= 0, got {seed}')


def draw_label_subset(
    labels: Sequence[Hashable],
    fraction: float,
    seed: int = 0,
    *,
    every_class: bool = True,
) -> list[int]:
    """Return the indices of a share of the samples of every class.

    What is drawn of a class depends on the seed, the class and the number of
    its samples, not on other classes. A larger share holds the smaller ones
    of the same seed.

    Where samples are few and large, such as rooms, one of each class may be
    far more than the share. With ``every_class=False`` the number of all
    samples is right instead: the classes get their seats by the method of
    Sainte-Lague, for which too a larger share holds the smaller ones.

    Args:
        labels: The class of each sample: numbers or names.
        fraction: Share of each class, in (0, 1], rounded to the nearest
            number of samples, at least one.
        seed: Seed of the draw.
        every_class: Whether the rounding is that of each class; otherwise it
            is that of all samples, and small classes may get none.

    Returns:
        Indices into ``labels``, ascending.

    Raises:
        ValueError: If the share is outside (0, 1] or the seed negative.

    Example:
        >>> len(draw_label_subset(['cup'] * 20 + ['jar'] * 3, 0.1))
        3
    """
    check_label_fraction(fraction, seed)
    members: dict[Hashable, list[int]] = {}
    for index, label in enumerate(labels):
        members.setdefault(label, []).append(index)
    kept: list[int] = []
    seats: list[tuple[float, float, int]] = []
    for label, indices in members.items():
        generator = np.random.default_rng(
            (seed, zlib.crc32(str(label).encode()))
        )
        order = generator.permutation(len(indices))
        kept += [indices[i] for i in order[: _count(fraction, len(indices))]]
        # Classes of one size take turns in a random order.
        turn = generator.random()
        seats += [
            ((position + 0.5) / len(indices), turn, indices[i])
            for position, i in enumerate(order)
        ]
    if not every_class:
        count = _count(fraction, len(labels))
        kept = [index for _, _, index in sorted(seats)[:count]]
    return sorted(kept)


def _count(fraction: float, number: int) -> int:
    return max(1, math.floor(fraction * number + 0.5))


def keep_label_fraction(
    samples: Sequence[dict],
    labels: Sequence[Hashable | None],
    fraction: float,
    seed: int = 0,
    *,
    every_class: bool = True,
) -> list[dict]:
    """Return a share of the samples of every class.

    Args:
        samples: Information of the samples, with ``lidar_path``.
        labels: The class of each; None stands for none.
        fraction: Share of each class, see `draw_label_subset`.
        seed: Seed of the draw.
        every_class: Whether each class has a sample at least.

    Returns:
        Some of the samples, in their order.

    Raises:
        ValueError: If a sample has no label.
    """
    if None in labels:
        path = samples[labels.index(None)]['lidar_path']
        raise ValueError(
            f'label_fraction={fraction} divides labelled samples, {path} has '
            'no label; give the data set classes, or leave label_fraction out'
        )
    kept = draw_label_subset(labels, fraction, seed, every_class=every_class)
    return [samples[index] for index in kept]
