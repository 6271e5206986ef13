from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.datasets.orientation import guess_up_axis


def table(rng: np.random.Generator, height: float) -> np.ndarray:
    """A table top on four legs, z up, (600, 3)."""
    top = rng.uniform([-1, -0.6, height - 0.05], [1, 0.6, height], (400, 3))
    legs = rng.uniform([-0.05, -0.05, 0], [0.05, 0.05, height], (200, 3))
    legs[:, :2] += rng.choice([-1, 1], (200, 2)) * [0.9, 0.5]
    return np.concatenate([top, legs]).astype(np.float32)


@pytest.fixture
def tables() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [table(rng, h) for h in np.linspace(0.4, 2.0, 10)]


@pytest.mark.parametrize('axis', ['x', 'y', 'z'])
def test_up_axis_of_tables(tables: list, axis: str) -> None:
    shift = 'zxy'.index(axis)
    turned = [np.roll(points, shift, axis=1) for points in tables]
    guess = guess_up_axis(turned)
    assert guess.value == axis
    assert not guess.is_unsure
    assert int(guess.reason.split()[0]) >= 8
    moved = [points * [1, 2, 3] + [50, -70, 900] for points in turned]
    assert guess_up_axis(moved).reason == guess.reason


def test_few_or_divided_clouds_are_unsure(tables: list) -> None:
    assert guess_up_axis(tables[:7]).is_unsure
    mixed = [np.roll(p, i % 3, axis=1) for i, p in enumerate(tables)]
    assert guess_up_axis(mixed).is_unsure
