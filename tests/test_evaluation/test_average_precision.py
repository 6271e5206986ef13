"""Average precision of boxes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmdet3d_act.evaluation.average_precision import (
    SceneMatches,
    class_scores,
    match_scene,
)

CUBES = torch.tensor(
    [[0.0, 0, 0, 1, 1, 1], [5, 0, 0, 1, 1, 1], [9, 0, 0, 1, 1, 1]]
)


def matches(
    overlaps: list, boxes: list, num_boxes: int, scores: list | None = None
) -> SceneMatches:
    """Return a scene with detections and boxes of class 0."""
    number = len(overlaps)
    scores = np.linspace(1, 0.1, number) if scores is None else scores
    return SceneMatches(
        np.zeros(number, np.int64),
        np.array(scores, float),
        np.array(overlaps, float),
        np.array(boxes, np.int64),
        np.zeros(num_boxes, np.int64),
    )


def test_scenes_are_ranked_together() -> None:
    first = matches([0.9], [0], 1, [0.4])
    second = matches([0.0, 0.9], [0, 0], 1, [0.8, 0.6])
    found = class_scores([first, second], 1, 0.25)
    assert found.ap[0] == pytest.approx((2 / 3 + 2 / 3) / 2)
    # Box 0 of one scene is not box 0 of the other.
    assert found.recall[0] == 1


def test_classes_without_boxes_or_detections() -> None:
    scene = SceneMatches(
        np.array([1]),
        np.ones(1),
        np.array([-1.0]),
        np.array([-1]),
        np.array([0]),
    )
    found = class_scores([scene], 3, 0.25)
    assert found.ap[:2].tolist() == [0, 0]
    assert found.recall[:2].tolist() == [0, 0]
    assert np.isnan(found.ap[2])
    assert np.isnan(class_scores([], 3, 0.25).ap).all()


def test_the_best_box_of_the_same_class_decides() -> None:
    boxes = torch.tensor([[0.2, 0, 0, 1, 1, 1], [5, 0, 0, 1, 1, 1]])
    found = match_scene(
        boxes,
        torch.tensor([0, 0]),
        torch.tensor([0.5, 0.4]),
        CUBES,
        torch.tensor([0, 1, 0]),
    )
    assert found.boxes.tolist()[0] == 0
    assert found.overlaps[0] == pytest.approx(0.8 / 1.2)
    # The second stands in a box of another class.
    assert found.overlaps[1] == 0


@pytest.mark.parametrize(('detections', 'boxes'), [(0, 3), (1, 0), (0, 0)])
def test_nothing_to_match(detections: int, boxes: int) -> None:
    found = match_scene(
        CUBES[:detections],
        torch.zeros(detections),
        torch.rand(detections),
        CUBES[:boxes],
        torch.zeros(boxes),
    )
    assert found.boxes.tolist() == [-1] * detections
    assert len(found.gt_labels) == boxes
    ap = class_scores([found], 1, 0.25).ap[0]
    assert ap == 0 if detections or boxes else np.isnan(ap)
