"""Placing scenes over the origin."""

from __future__ import annotations

import pytest
import torch
from mmdet3d.structures.points import DepthPoints

from mmdet3d_act.datasets.transforms import CenterOnGround
from mmdet3d_act.models.layers import SlidingWindows
from mmdet3d_act.registry import TRANSFORMS


def scene() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    size = torch.tensor([6.0, 4.0, 2.5, 255.0])
    shift = torch.tensor([1.0, -9.0, 0.3, 0.0])
    return torch.rand(200, 4, generator=generator) * size + shift


def centered(points: torch.Tensor) -> torch.Tensor:
    transform = TRANSFORMS.build(dict(type='CenterOnGround'))
    assert type(transform) is CenterOnGround
    return transform(dict(points=DepthPoints(points, 4)))['points'].tensor


def test_the_extent_is_centered_and_the_height_stays() -> None:
    points = scene()
    before = points.clone()
    moved = centered(points)
    assert torch.equal(points, before)
    assert torch.allclose(moved.amin(0)[:2], -moved.amax(0)[:2], atol=1e-6)
    assert torch.equal(moved[:, 2:], points[:, 2:])
    offsets = moved[:, :2] - points[:, :2]
    assert torch.allclose(offsets, offsets[:1].expand_as(offsets), atol=1e-5)


def test_whole_scenes_are_placed_alike_in_testing() -> None:
    points = scene()
    moved = centered(points)
    seen = []

    def network(windows: torch.Tensor) -> torch.Tensor:
        seen.append(windows)
        return torch.zeros(len(windows), 2, windows.shape[1])

    SlidingWindows(num_points=200, block_size=None)(points, network)
    (window,) = seen
    order = window[0, :, 3].argsort()
    expected = moved[moved[:, 3].argsort()]
    assert torch.allclose(window[0, order], expected, atol=1e-5)


def test_boxes_are_refused() -> None:
    sample = dict(points=DepthPoints(scene(), 4), gt_bboxes_3d=None)
    with pytest.raises(ValueError, match='points only'):
        CenterOnGround()(sample)
