from __future__ import annotations

import pytest
import torch

from mmdet3d_act.ops import (
    farthest_point_sample,
    gather_points,
    group_points,
)
from tests.test_ops import oracles


def test_gather_hand_worked() -> None:
    points = torch.arange(12.0).view(2, 3, 2)
    idx = torch.tensor([[2, 0], [1, 1]])
    want = [[[4, 5], [0, 1]], [[8, 9], [8, 9]]]
    assert gather_points(points, idx).tolist() == want
    assert gather_points(points, idx.int()).tolist() == want
    nested = gather_points(points, idx[:, :, None].expand(-1, -1, 3))
    assert nested.shape == (2, 2, 3, 2)
    assert nested[:, :, 1].tolist() == want


def test_gather_of_strided_features_with_gradient() -> None:
    features = torch.rand(2, 4, 5).transpose(1, 2).requires_grad_()
    idx = torch.tensor([[0, 4, 4], [2, 1, 2]])
    rows = torch.arange(2)[:, None]
    assert torch.equal(gather_points(features, idx), features[rows, idx])
    gather_points(features, idx).sum().backward()
    want = [[1, 0, 0, 0, 2], [0, 1, 2, 0, 0]]
    assert features.grad[..., 0].tolist() == want


def test_group_hand_worked() -> None:
    points = torch.tensor(
        [[[0.0, 0, 0, 7], [1, 0, 0, 8], [10, 0, 0, 9], [12, 0, 0, 6]]]
    )
    groups = group_points(points, 2, 2)
    assert groups.center_indices.tolist() == [[0, 3]]
    assert groups.centers.tolist() == [[[0, 0, 0], [12, 0, 0]]]
    assert groups.neighbor_indices.tolist() == [[[0, 1], [3, 2]]]
    assert groups.neighborhoods[..., 0].tolist() == [[[0, 1], [0, -2]]]
    assert groups.neighborhoods.shape == (1, 2, 2, 3)


def test_group_follows_the_origin_rule_on_request() -> None:
    points = oracles.cloud(2, 60)
    points[:, 10:] *= 0.01
    plain = group_points(points, 20, 3)
    skipping = group_points(points, 20, 3, skip_origin=True)
    want = farthest_point_sample(points, 20, skip_origin=True)
    assert torch.equal(skipping.center_indices, want)
    assert not torch.equal(plain.center_indices, want)


def test_group_passes_the_gradient_to_the_points() -> None:
    points = oracles.cloud(1, 20).requires_grad_()
    groups = group_points(points, 4, 3)
    groups.neighborhoods.sum().backward()
    counts = torch.zeros(20)
    counts.index_add_(0, groups.neighbor_indices.flatten(), torch.ones(12))
    counts.index_add_(0, groups.center_indices[0], torch.full((4,), -3.0))
    torch.testing.assert_close(points.grad[0, :, 0], counts)


def test_group_under_autocast_is_exact() -> None:
    points = oracles.cloud(2, 200)
    want = group_points(points, 16, 8)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        got = group_points(points, 16, 8)
    assert all(map(torch.equal, got, want))
    assert got.centers.dtype == torch.float32


@pytest.mark.slow
def test_group_compiles() -> None:
    points = oracles.cloud(2, 60)
    want = group_points(points, 6, 4)
    got = torch.compile(group_points, backend='eager')(points, 6, 4)
    assert all(map(torch.equal, got, want))
