from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mmdet3d_act.datasets.transforms import KeepFarthestPoints, SamplePoints
from mmdet3d_act.ops import farthest_point_sample


def _cloud(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, generator=generator)


def _rows(results: dict) -> set[tuple]:
    return {tuple(row) for row in results['points'].tensor.tolist()}


def test_farthest_points_from_the_first_on(sample: Callable) -> None:
    points = _cloud(60)
    kept = KeepFarthestPoints(20)(sample(points))['points'].tensor
    chosen = farthest_point_sample(points[None], 20)[0]
    assert torch.equal(kept, points[chosen])
    assert len(chosen.unique()) == 20


@pytest.mark.parametrize('count', [30, 50])
def test_small_cloud_stays_as_it_is(sample: Callable, count: int) -> None:
    points = _cloud(count)
    results = KeepFarthestPoints(50, random_start=True)(sample(points))
    assert torch.equal(results['points'].tensor, points)


def test_ordered_file_is_cut(sample: Callable) -> None:
    points = _cloud(60)
    results = sample(points) | dict(fps_ordered=True)
    results = KeepFarthestPoints(20)(results)
    assert torch.equal(results['points'].tensor, points[:20])
    results = SamplePoints(5, 'fps')(results)
    assert torch.equal(results['points'].tensor, points[:5])


def test_random_start(sample: Callable) -> None:
    points = _cloud(60)
    transform = KeepFarthestPoints(10, random_start=True)
    np.random.seed(0)
    draws = []
    for _ in range(8):
        results = transform(sample(points) | dict(fps_ordered=True))
        assert 'fps_ordered' not in results
        kept = results['points'].tensor
        # Each is the farthest from those before it, whatever the first is.
        gaps = torch.cdist(points, kept[:1]).min(1).values
        for row in kept[1:]:
            own = gaps[(points == row).all(1)]
            assert own.item() == pytest.approx(gaps.max().item(), abs=1e-5)
            gaps = torch.minimum(gaps, torch.cdist(points, row[None])[:, 0])
        draws.append(tuple(kept[0].tolist()))
    assert len(set(draws)) > 4


def test_masks_and_features_follow(sample: Callable) -> None:
    points = torch.cat([_cloud(30), torch.arange(30.0)[:, None]], dim=1)
    results = sample(points) | dict(pts_semantic_mask=np.arange(30) + 100)
    results = KeepFarthestPoints(8)(results)
    assert results['points'].shape == (8, 4)
    numbers = results['points'].tensor[:, 3].int().tolist()
    assert (results['pts_semantic_mask'] - 100).tolist() == numbers


@pytest.mark.parametrize(
    ('stored', 'candidates', 'num_points'),
    [(40, 12, 10), (10, 12, 10), (40, 40, 40)],
)
def test_published_training(
    sample: Callable, stored: int, candidates: int, num_points: int
) -> None:
    """A random choice of the farthest ones, at most those stored."""
    points = _cloud(stored)
    pool = farthest_point_sample(points[None], min(stored, candidates))[0]
    pool = {tuple(row) for row in points[pool].tolist()}
    np.random.seed(0)
    draws = []
    for _ in range(6):
        results = KeepFarthestPoints(candidates)(sample(points))
        results = SamplePoints(num_points)(results)
        rows = results['points'].tensor.tolist()
        assert len(rows) == num_points
        draws.append(tuple(map(tuple, rows)))
    assert all(set(draw) <= pool for draw in draws)
    assert set().union(*draws) == pool
    assert len(set(draws)) == 6
