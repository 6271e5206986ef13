from __future__ import annotations

import pytest
import torch

from mmdet3d_act.ops import (
    farthest_point_sample,
    gather_points,
    group_points,
    knn,
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


def test_group_is_sampling_and_neighbours() -> None:
    points = oracles.cloud(3, 90)
    centers, patches, center_idx, neighbor_idx = group_points(points, 9, 6)
    assert torch.equal(center_idx, farthest_point_sample(points, 9))
    assert torch.equal(centers, gather_points(points, center_idx))
    assert torch.equal(neighbor_idx, knn(points, centers, 6))
    placed = patches + centers[:, :, None]
    torch.testing.assert_close(placed, gather_points(points, neighbor_idx))
    assert (patches[:, :, 0] == 0).all()


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


@pytest.mark.parametrize(
    ('sizes', 'message'),
    [
        ((21, 4), 'num_groups must be <= number of points, got 21 > 20'),
        ((4, 21), 'group_size must be <= number of points, got 21 > 20'),
        ((0, 4), 'num_groups must be >= 1'),
    ],
)
def test_group_names_what_is_too_many(
    sizes: tuple[int, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        group_points(oracles.cloud(1, 20), *sizes)


@pytest.mark.parametrize('index', [-1, 5])
def test_gather_refuses_an_index_of_another_cloud(index: int) -> None:
    idx = torch.tensor([[0], [index]])
    with pytest.raises(ValueError, match='idx must be from 0 to 4'):
        gather_points(oracles.cloud(2, 5), idx)


@pytest.mark.parametrize(
    ('idx', 'message'),
    [
        (torch.zeros(3, 2, dtype=torch.long), r'got \(2, 5, 3\) and \(3, 2\)'),
        (torch.zeros(2, dtype=torch.long), 'add the missing dimension'),
        (torch.zeros(2, 2), 'idx must be int64 or int32, got torch.float32'),
        (torch.zeros(2, 2, dtype=torch.long, device='meta'), 'one device'),
    ],
)
def test_gather_names_what_is_wrong(idx: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gather_points(oracles.cloud(2, 5), idx)


@pytest.mark.gpu
def test_gpu_equals_cpu() -> None:
    device = torch.device('cuda', torch.cuda.device_count() - 1)
    points = oracles.cloud(3, 1024)
    want = group_points(points, 64, 32)
    for got, expected in zip(
        group_points(points.to(device), 64, 32), want, strict=True
    ):
        torch.testing.assert_close(got.cpu(), expected)
