"""Mean IoU and accuracies of points."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.evaluation import SemanticSegMetric
from mmdet3d_act.registry import METRICS

CLASSES = ('floor', 'wall', 'chair', 'sofa')


def metric(**options: object) -> SemanticSegMetric:
    made = SemanticSegMetric(**options)
    made.dataset_meta = dict(classes=CLASSES)
    return made


def sample(pred: list[int], target: list[int]) -> dict:
    return dict(
        pred_pts_seg=dict(pts_semantic_mask=torch.tensor(pred)),
        gt_pts_seg=dict(pts_semantic_mask=torch.tensor(target)),
    )


# Floor: 3 hits of 3 labelled, 4 predicted; wall: 1 of 3, 1; chair: labelled
# nowhere, predicted once; no sofa.
SAMPLES = [sample([0, 0, 0, 1], [0, 0, 1, 1]), sample([0, 2], [0, 1])]
EXPECTED = {
    'miou': 100 * (3 / 4 + 1 / 3 + 0) / 3,
    'mean_class_accuracy': 100 * (3 / 3 + 1 / 3) / 2,
    'overall_accuracy': 100 * 4 / 6,
}


def test_worked_by_hand() -> None:
    made = METRICS.build(dict(type='SemanticSegMetric', prefix='rooms'))
    assert type(made) is SemanticSegMetric
    made.dataset_meta = dict(classes=CLASSES)
    for one in SAMPLES:
        made.process(None, [one])
    found = made.evaluate(2)
    expected = {f'rooms/{name}': value for name, value in EXPECTED.items()}
    assert found == pytest.approx(expected)


def test_ignored_points_do_not_count() -> None:
    made = metric(ignore_index=99)
    made.process(None, SAMPLES)
    made.process(None, [sample([3, 1], [99, 99])])
    assert made.evaluate(3) == pytest.approx(EXPECTED)
