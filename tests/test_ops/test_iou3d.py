"""Intersection over union of boxes."""

from __future__ import annotations

import math

import pytest
import torch

from mmdet3d_act import ops
from mmdet3d_act.ops.iou3d import rectangle_intersection
from tests.test_ops.test_boxes3d import random_boxes

CUBE = torch.tensor([0.0, 0, 0, 1, 1, 1])


def test_worked_values() -> None:
    half = torch.tensor([0.5, 0, 0, 1, 1, 1])
    # They share 1/2 of 3/2 and fill their hull.
    assert float(ops.iou3d(CUBE, half)) == pytest.approx(1 / 3)
    assert float(ops.giou3d(CUBE, half)) == pytest.approx(1 / 3)
    # 1 apart: hull 3, union 2.
    apart = torch.tensor([2.0, 0, 0, 1, 1, 1])
    assert float(ops.iou3d(CUBE, apart)) == 0
    assert float(ops.giou3d(CUBE, apart)) == pytest.approx(-1 / 3)


def test_octagon_of_a_turned_square() -> None:
    turned = torch.cat([CUBE, torch.tensor([math.pi / 4])])
    octagon = 2 * (math.sqrt(2) - 1)
    expected = octagon / (2 - octagon)
    straight = torch.cat([CUBE, torch.zeros(1)])
    found = ops.iou3d(turned.double(), straight.double())
    assert float(found) == pytest.approx(expected, abs=1e-9)
    # One argument without yaw is axis-aligned.
    assert torch.equal(ops.iou3d(turned, CUBE), ops.iou3d(turned, straight))


def test_equal_turned_boxes_are_equal() -> None:
    boxes = random_boxes(200)
    torch.testing.assert_close(ops.iou3d(boxes, boxes), torch.ones(200))
    quarter = boxes.clone()
    quarter[:, 6] += math.pi / 2
    quarter[:, 3:5] = quarter[:, [4, 3]]
    found = ops.iou3d(boxes, quarter)
    torch.testing.assert_close(found, torch.ones(200), rtol=0, atol=1e-4)
    # The box that encloses them is axis-aligned, and larger.
    low, high = ops.box_hulls(boxes)
    filled = boxes[:, 3:6].prod(1) / (high - low).prod(1)
    torch.testing.assert_close(
        ops.giou3d(boxes, quarter), filled, rtol=0, atol=1e-4
    )


def test_rotations_agree_where_nothing_is_turned() -> None:
    boxes, others = random_boxes(9)[:, None], random_boxes(7, seed=1)
    boxes[..., 6] = others[..., 6] = 0
    straight = ops.giou3d(boxes[..., :6], others[..., :6])
    assert straight.shape == (9, 7)
    for rotation in ('exact', 'pretest', 'corners'):
        found = ops.giou3d(boxes, others, rotation=rotation)
        torch.testing.assert_close(found, straight)


def test_what_the_pretest_finds_is_exact() -> None:
    boxes, others = random_boxes(60)[:, None], random_boxes(60, seed=3)
    exact = ops.giou3d(boxes, others)
    found = ops.giou3d(boxes, others, rotation='pretest')
    overlap = ops.iou3d(boxes, others) > 0.01
    lost = overlap & (exact - found > 1e-4)
    assert 0.5 < float(lost.sum() / overlap.sum()) < 0.95
    torch.testing.assert_close(found[overlap & ~lost], exact[overlap & ~lost])


@pytest.mark.parametrize('rotation', ['none', 'exact', 'pretest', 'corners'])
def test_boxes_without_volume(rotation: str) -> None:
    flat = torch.zeros(4, 7)
    flat[1, 3:6] = torch.tensor([1.0, 1, 0])
    flat[2, :3] = 5
    flat[3, 3:6] = 1
    if rotation == 'none':
        flat, rotation = flat[:, :6], 'exact'
    flat.requires_grad_()
    found = ops.giou3d(flat[:, None], flat, rotation=rotation)
    assert torch.isfinite(found).all()
    assert found[0, 0] == 0
    assert found[3, 3] == 1
    assert torch.isfinite(ops.iou3d(flat[:, None], flat)).all()
    (gradient,) = torch.autograd.grad(found.sum(), flat)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize('rotation', ['exact', 'pretest', 'corners'])
def test_gradients(rotation: str) -> None:
    boxes = random_boxes(5).double()
    boxes[:, 6] /= 10
    others = boxes + 0.1 * random_boxes(5, seed=9).double()
    assert (ops.iou3d(boxes, others) > 0.1).all()
    assert torch.autograd.gradcheck(
        lambda a, b: ops.giou3d(a, b, rotation=rotation),
        (boxes.requires_grad_(), others.requires_grad_()),
    )


def test_triangle_in_a_square() -> None:
    half = torch.tensor([1.0, 1])

    def shared(shift: float) -> float:
        corners = torch.tensor([[0.0, 0], [4, 0], [0, 4]]) - shift
        pairs = [tuple(corner) for corner in corners]
        return float(rectangle_intersection(pairs, half))

    assert shared(0.0) == pytest.approx(1)
    # The square is in the triangle; it is cut at a corner.
    assert shared(1.0) == 4
    assert shared(1.5) == pytest.approx(3.5)


def test_half_precision_is_computed_in_single() -> None:
    found = ops.iou3d(CUBE.half(), CUBE.half())
    assert found.dtype == torch.float32
    assert float(found) == 1
