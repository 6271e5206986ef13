"""MMCV's point operations on CPU tensors."""

from __future__ import annotations

import pytest
import torch
from mmcv.ops import (
    PointsSampler,
    ball_query,
    furthest_point_sample,
    gather_points,
    grouping_operation,
    three_interpolate,
    three_nn,
)
from mmdet3d.structures import DepthInstance3DBoxes

from mmdet3d_act import mmcv_cpu, ops

assert mmcv_cpu.KERNELS


def cloud(num_points: int = 60, batch: int = 2, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, num_points, 3, generator=generator)


def values(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(*shape, generator=generator, requires_grad=True)


def taken(features: torch.Tensor, idx: torch.Tensor) -> torch.Tensor:
    """Return (B, C, ...) at indices (B, ...), by plain indexing."""
    rows = [
        cloud_features[:, cloud_idx.long()]
        for cloud_features, cloud_idx in zip(features, idx, strict=True)
    ]
    return torch.stack(rows)


def test_farthest_points() -> None:
    points = cloud()
    idx = furthest_point_sample(points, 8)
    assert idx.dtype == torch.int32
    assert torch.equal(idx.long(), ops.farthest_point_sample(points, 8))
    sampler = PointsSampler([8], ['D-FPS'], [-1])
    assert torch.equal(sampler(points, None), idx)


def test_ball_query() -> None:
    points, centers = cloud(), cloud(7, seed=5)
    idx = ball_query(0, 0.3, 6, points, centers)
    assert idx.dtype == torch.int32
    expected = ops.ball_query(points, centers, 0.3, 6)
    assert torch.equal(idx.long(), expected)
    with pytest.raises(ValueError, match='no inner radius, got min_radius'):
        ball_query(0.1, 0.3, 6, points, centers)


@pytest.mark.parametrize('shape', [(9,), (9, 4)])
def test_gathering_and_its_gradient(shape: tuple[int, ...]) -> None:
    operation = gather_points if len(shape) == 1 else grouping_operation
    features = values(2, 5, 60)
    generator = torch.Generator().manual_seed(2)
    idx = torch.randint(60, (2, *shape), generator=generator).int()
    output = operation(features, idx)
    expected = taken(features, idx)
    assert torch.equal(output, expected)
    weight = torch.rand(output.shape, generator=generator)
    (own,) = torch.autograd.grad((output * weight).sum(), features)
    (other,) = torch.autograd.grad((expected * weight).sum(), features)
    assert torch.allclose(own, other, atol=1e-6)
    assert own.any()


def test_three_nearest_and_their_mean() -> None:
    query, source = cloud(), cloud(12, seed=4)
    distances, idx = three_nn(query, source)
    exact = torch.cdist(query, source).topk(3, largest=False)
    assert torch.equal(idx.long(), exact.indices)
    assert torch.allclose(distances, exact.values, atol=1e-5)
    features = values(2, 5, 12)
    weight = torch.rand(2, 60, 3)
    output = three_interpolate(features, idx, weight)
    expected = (taken(features, idx) * weight.unsqueeze(1)).sum(-1)
    assert torch.allclose(output, expected, atol=1e-6)
    (own,) = torch.autograd.grad(output.square().sum(), features)
    (other,) = torch.autograd.grad(expected.square().sum(), features)
    assert torch.allclose(own, other, atol=1e-4)
    with pytest.raises(ValueError, match='three points to choose from, got 2'):
        three_nn(query, source[:, :2])


def test_points_in_boxes() -> None:
    boxes = DepthInstance3DBoxes(
        [[0.5, 0.5, 0.25, 1.0, 0.4, 0.5], [0.2, 0.2, 0.2, 0.4, 0.4, 0.4]],
        box_dim=6,
        with_yaw=False,
        origin=(0.5, 0.5, 0.5),
    )
    points = cloud(200, 1)[0]
    inside = boxes.points_in_boxes_all(points)
    assert inside.shape == (200, 2)
    for column, center, size in (
        (0, [0.5, 0.5, 0.25], [1.0, 0.4, 0.5]),
        (1, [0.2, 0.2, 0.2], [0.4, 0.4, 0.4]),
    ):
        offsets = (points - torch.tensor(center)).abs()
        expected = (offsets <= torch.tensor(size) / 2).all(1)
        assert torch.equal(inside[:, column].bool(), expected)
        assert 0 < expected.sum() < 200


@pytest.mark.gpu
def test_tensors_on_a_gpu_go_to_the_kernels() -> None:
    points = cloud().cuda()
    idx = furthest_point_sample(points, 8)
    assert idx.is_cuda
    assert torch.equal(idx.cpu(), furthest_point_sample(points.cpu(), 8))
    near = ball_query(0, 0.3, 6, points, points)
    assert torch.equal(
        near.cpu(), ball_query(0, 0.3, 6, points.cpu(), points.cpu())
    )
