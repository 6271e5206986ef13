"""The fast searches on a CPU give what the plain forms in PyTorch give."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mmdet3d_act.ops import (
    _cpu,
    ball_query,
    farthest_point_sample,
    group_points,
    knn,
    neighbors,
    sampling,
)
from tests.test_ops import oracles


def copies(batch: int, num_points: int) -> Tensor:
    return oracles.cloud(batch, 40).repeat(1, num_points // 40, 1)


def plane(batch: int, num_points: int) -> Tensor:
    return oracles.cloud(batch, num_points) * torch.tensor([5.0, 5.0, 0.0])


MAKERS = [oracles.cloud, oracles.lattice, copies, plane]


def compare(
    monkeypatch: pytest.MonkeyPatch, operation: Callable[[], Tensor]
) -> None:
    fast = operation()
    with monkeypatch.context() as patch:
        for module in (neighbors, sampling):
            patch.setattr(module, 'is_plain', lambda points: False)
        assert torch.equal(fast, operation())


@pytest.mark.parametrize('make', MAKERS)
@pytest.mark.parametrize('size', [80, 1040, _cpu.TREE_SIZE + 96])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_equals_the_plain_form(
    make: Callable[[int, int], Tensor],
    size: int,
    dtype: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = make(2, size).to(dtype)
    queries = points[:, ::10] + 0.01

    def distances() -> Tensor:
        return knn(points, queries, 17, return_distances=True)[1]

    compare(monkeypatch, lambda: knn(points, queries, 17))
    compare(monkeypatch, distances)
    compare(monkeypatch, lambda: ball_query(points, queries, 0.5, 20))
    compare(monkeypatch, lambda: farthest_point_sample(points, 70))


@pytest.mark.parametrize('make', MAKERS)
@pytest.mark.parametrize('skip_origin', [False, True])
def test_farthest_points_of_buckets(
    make: Callable[[int, int], Tensor],
    skip_origin: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So many that buckets are passed over, and points run out of copies."""
    points = make(1, 4000)
    compare(
        monkeypatch,
        lambda: farthest_point_sample(points, 600, skip_origin=skip_origin),
    )


def test_trees_take_points_with_a_gradient() -> None:
    points = oracles.cloud(1, _cpu.TREE_SIZE).requires_grad_()
    group_points(points, 8, 4).neighborhoods.sum().backward()
    assert points.grad.abs().sum() > 0


def test_traces_hold_operations_not_results() -> None:
    """What is traced for one cloud answers for another."""
    first, second = oracles.cloud(1, 50), oracles.cloud(1, 50, seed=1)
    traced = torch.jit.trace(lambda points: knn(points, points, 3), first)
    assert torch.equal(traced(second), knn(second, second, 3))
