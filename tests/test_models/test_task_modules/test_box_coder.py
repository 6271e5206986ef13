"""From predictions to boxes, and from boxes to targets."""

from __future__ import annotations

import math

import pytest
import torch

from mmdet3d_act.models.task_modules import ThreeDETRBoxCoder
from mmdet3d_act.registry import TASK_UTILS
from tests.test_models.detections import instances, raw_outputs, scene_range


def test_decoded_by_hand() -> None:
    coder = TASK_UTILS.build(dict(type='ThreeDETRBoxCoder'))
    zeros = torch.zeros(1, 1, 1, 3)
    outputs = dict(
        cls_logits=torch.tensor([[[[0.0, math.log(2), 0.0]]]]),
        center_offset=zeros + math.log(3),  # sigmoid: 3/4
        size_logits=zeros,  # half the scene
        angle_logits=torch.ones(1, 1, 1, 1),
        angle_residual=torch.ones(1, 1, 1, 1),
        query_xyz=torch.tensor([[[1.0, 2, 3]]]),
        scene_range=scene_range(1),
    )
    decoded = {
        key: own.flatten() for key, own in coder.decode(outputs).items()
    }
    assert decoded['centers'].tolist() == pytest.approx([1.25, 2.25, 3.25])
    assert decoded['centers_normalized'].tolist() == pytest.approx(
        [1.25 / 4, 2.25 / 4, 3.25 / 4]
    )
    assert decoded['sizes'].tolist() == [2, 2, 2]
    assert decoded['sizes_normalized'].tolist() == [0.5, 0.5, 0.5]
    assert decoded['angles'].tolist() == [0]
    assert decoded['class_scores'].tolist() == pytest.approx([1 / 4, 1 / 2])
    assert decoded['objectness'].tolist() == pytest.approx([3 / 4])


def test_targets_are_padded() -> None:
    box = [1.0, 2, 3, 0.4, 0.8, 1.2]
    targets = ThreeDETRBoxCoder().encode(
        [instances([box, box], [2, 0]), instances([], [])], scene_range()
    )
    assert targets.valid.tolist() == [[True, True], [False, False]]
    assert targets.labels.tolist() == [[2, 0], [0, 0]]
    assert targets.centers_normalized[0, 0].tolist() == [0.25, 0.5, 0.75]
    assert targets.sizes_normalized[0, 1].tolist() == pytest.approx(
        [0.1, 0.2, 0.3]
    )
    assert not any(value[1].any() for value in targets)


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
    with pytest.raises(ValueError, match='predicts 1 directions'):
        ThreeDETRBoxCoder(12).decode(raw_outputs())
