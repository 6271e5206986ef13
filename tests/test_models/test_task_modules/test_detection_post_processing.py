"""From the boxes of all queries to detections."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.task_modules import (
    DetectionPostProcessing,
    ThreeDETRBoxCoder,
)
from mmdet3d_act.models.task_modules.detection_post_processing import suppress
from mmdet3d_act.registry import TASK_UTILS, gravity_boxes
from tests.test_models.detections import raw_outputs

pytest.importorskip('mmdet3d')

# Two boxes that overlap (IoU 1/3), of other classes; one above the first;
# one that is no object; one without points.
BOXES = torch.tensor(
    [
        [0.0, 0, 0, 1, 1, 1, 0],
        [0.5, 0, 0, 1, 1, 1, 0],
        [0.0, 0, 3, 1, 1, 1, 0],
        [4.0, 0, 0, 1, 1, 1, 0],
        [9.0, 9, 9, 1, 1, 1, 0],
    ]
)
CLASSES = torch.tensor(
    [[0.6, 0.1], [0.2, 0.5], [0.7, 0.1], [0.3, 0.3], [0.1, 0.8]]
)
OBJECTNESS = torch.tensor([0.7, 0.9, 0.8, 0.04, 0.95])
POINTS = BOXES[:4, None, :3] + torch.linspace(-0.2, 0.2, 6)[:, None]


def test_the_likeliest_stays_where_all_are_empty() -> None:
    process = DetectionPostProcessing()
    for points in (torch.rand(9, 3) + 50, torch.zeros(0, 3)):
        found = process.scene(BOXES, CLASSES, OBJECTNESS, points)
        assert found.labels_3d.tolist() == [0, 1]
        assert found.bboxes_3d.gravity_center[0].tolist() == [9, 9, 9]


def test_nothing_is_likely() -> None:
    found = DetectionPostProcessing(score_threshold=1.0).scene(
        BOXES, CLASSES, OBJECTNESS, POINTS.flatten(0, 1)
    )
    assert len(found.bboxes_3d) == len(found.scores_3d) == 0
    assert found.labels_3d.dtype == torch.int64


@pytest.mark.parametrize('bins', [1, 4])
def test_layers_and_angles(bins: int) -> None:
    decoded = ThreeDETRBoxCoder(bins).decode(raw_outputs(bins=bins))
    points = 4 * torch.rand(2, 300, 4)
    process = TASK_UTILS.build(dict(type='DetectionPostProcessing'))
    found = process(decoded, points)
    last = {name: value[-1] for name, value in decoded.items()}
    again = process(last, list(points))
    assert len(found) == 2
    for one, other in zip(found, again, strict=True):
        assert torch.equal(one.scores_3d, other.scores_3d)
        boxes = gravity_boxes(one.bboxes_3d)
        assert boxes.any()
        assert bool(boxes[:, 6].any()) == (bins > 1)
        assert not one.scores_3d.requires_grad
    yaw = gravity_boxes(found[0].bboxes_3d)[:, 6]
    angles = -decoded['angles'][-1, 0].detach()
    assert all((angles - one).abs().min() < 1e-6 for one in yaw)


def test_suppression_prefers_the_last_of_equals() -> None:
    boxes = BOXES[[0, 0, 0]]
    assert suppress(boxes, torch.tensor([0.5, 0.5, 0.1]), 0.25).tolist() == [1]
    flat = torch.zeros(3, 6)
    assert len(suppress(flat, torch.rand(3), 0.25)) == 3
    assert suppress(BOXES[:0], torch.rand(0), 0.25).tolist() == []


@pytest.mark.parametrize(
    'options',
    [
        dict(suppression='2d'),
        dict(scoring='all'),
        dict(min_points=-1),
        dict(overlap_threshold=25),
        dict(score_threshold=1.1),
    ],
)
def test_unknown_options_are_refused(options: dict) -> None:
    with pytest.raises(ValueError, match='must be'):
        DetectionPostProcessing(**options)
