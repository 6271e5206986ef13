"""Corners, hulls and contents of boxes."""

from __future__ import annotations

import math

import pytest
import torch

from mmdet3d_act import ops
from mmdet3d_act.ops import boxes3d

# Middle (1, 2, 3), sizes 2, 4, 6.
STRAIGHT = torch.tensor([1.0, 2, 3, 2, 4, 6])
TURNED = torch.cat([STRAIGHT, torch.tensor([math.pi / 2])])


def random_boxes(number: int, seed: int = 0) -> torch.Tensor:
    drawn = torch.rand(number, 7, generator=torch.manual_seed(seed))
    return torch.cat([drawn[:, :6] + 0.1, 6 * drawn[:, 6:] - 3], dim=1)


def test_yaw_is_counter_clockwise() -> None:
    # (+dx, +dy) = (1, 2) from the middle becomes (-2, 1).
    corners = ops.box_corners(TURNED)
    torch.testing.assert_close(corners[0], torch.tensor([-1.0, 3, 0]))


def test_corners_are_mmdet3ds() -> None:
    structures = pytest.importorskip('mmdet3d.structures')
    boxes = random_boxes(5)
    theirs = structures.DepthInstance3DBoxes(boxes, origin=(0.5, 0.5, 0.5))
    ours, theirs = (
        one.sort(dim=1).values
        for one in (ops.box_corners(boxes), theirs.corners)
    )
    torch.testing.assert_close(ours, theirs)


def test_hulls_hold_the_corners() -> None:
    boxes = random_boxes(20)
    low, high = ops.box_hulls(boxes)
    corners = ops.box_corners(boxes)
    torch.testing.assert_close(low, corners.amin(1))
    torch.testing.assert_close(high, corners.amax(1))


def test_points_on_the_surface_are_inside() -> None:
    points = torch.tensor([[2.0, 4, 6], [2.01, 4, 6], [1, 2, 3], [1, 0, 3]])
    (inside,) = ops.points_in_boxes(points, STRAIGHT[None])
    assert inside.squeeze(1).tolist() == [True, False, True, True]


def test_points_turn_with_the_box() -> None:
    points = torch.tensor([[-0.9, 2, 3], [1.0, 3.9, 3]])
    boxes = torch.stack([TURNED, torch.cat([STRAIGHT, torch.zeros(1)])])
    (inside,) = ops.points_in_boxes(points, boxes)
    assert inside.tolist() == [[True, False], [False, True]]


def test_counts_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    points, boxes = torch.rand(101, 3), random_boxes(6)
    whole = ops.count_points_in_boxes(points, boxes)
    assert whole.sum() > 0
    monkeypatch.setattr(boxes3d, 'PAIRS_AT_ONCE', 60)
    assert len(ops.points_in_boxes(points, boxes)) == 11
    assert torch.equal(ops.count_points_in_boxes(points, boxes), whole)


@pytest.mark.parametrize(('points', 'boxes'), [(0, 3), (4, 0), (0, 0)])
def test_nothing_to_count(points: int, boxes: int) -> None:
    counts = ops.count_points_in_boxes(
        torch.rand(points, 3), random_boxes(boxes)
    )
    assert counts.tolist() == [0] * boxes
