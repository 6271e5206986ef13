"""From predictions to boxes, and from boxes to targets."""

from __future__ import annotations

import math

import pytest
import torch

from mmdet3d_act.models.task_modules import ThreeDETRBoxCoder
from tests.test_models.detections import instances, raw_outputs, scene_range


def test_yaw_is_minus_the_angle() -> None:
    targets = ThreeDETRBoxCoder(12).encode(
        [instances([[0.0, 0, 0, 1, 1, 1, 0.6]], [0])], scene_range(1)
    )
    assert float(targets.angles) == pytest.approx(-0.6)
    assert int(targets.angle_classes) == 11
    assert float(targets.angle_residuals) == pytest.approx(-0.6 + math.pi / 6)


def test_scenes_without_boxes_or_extent() -> None:
    coder = ThreeDETRBoxCoder()
    flat = torch.zeros(2, 3), torch.tensor([[0.0, 0, 0], [3, 3, 0]])
    targets = coder.encode([instances([], []), instances([], [])], flat)
    assert targets.valid.shape == (2, 1)
    assert not targets.valid.any()
    outputs = raw_outputs() | dict(scene_range=flat)
    for value in (*targets, *coder.decode(outputs).values()):
        assert torch.isfinite(value).all()


@pytest.mark.parametrize(
    ('box', 'message'),
    [
        ([0.0, 0, 0, -1, 1, 1], 'sizes >= 0'),
        ([0.0, float('nan'), 0, 1, 1, 1], 'must be finite'),
        ([0.0, 0, 0, 1, 1, 1, 0.5], 'set num_angle_bins'),
    ],
)
def test_wrong_boxes_are_refused(box: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ThreeDETRBoxCoder().encode([instances([box], [0])], scene_range(1))


def test_wrong_numbers_of_bins_are_refused() -> None:
    with pytest.raises(ValueError, match='num_angle_bins must be >= 1'):
        ThreeDETRBoxCoder(0)
