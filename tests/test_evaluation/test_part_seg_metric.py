"""Mean IoU of parts."""

from __future__ import annotations

import math

import pytest
import torch

from mmdet3d_act.evaluation import PartSegMetric
from mmdet3d_act.registry import METRICS

PARTS = {'Cap': (0, 1), 'Chair': (2, 3, 4), 'Mug': (5,)}


def metric(**options: object) -> PartSegMetric:
    made = PartSegMetric(**options)
    made.dataset_meta = dict(category_parts=PARTS)
    return made


def sample(
    pred: list[int], target: list[int], category: str | None = None
) -> dict:
    """Return a sample whose own parts' logits say ``pred``.

    A part of another category has the largest logit everywhere.
    """
    logits = torch.zeros(6, len(pred))
    logits[pred, range(len(pred))] = 1.0
    foreign = 5 if category != 'Mug' else 0
    logits[foreign] = 9.0
    made = dict(
        pts_seg_logits=dict(pts_seg_logits=logits),
        gt_pts_seg=dict(pts_semantic_mask=torch.tensor(target)),
    )
    return made | (dict(shape_category=category) if category else {})


# Cap: part 0 has 2 of 3, part 1 has 1 of 2; chairs: 1, 1 and absent (1);
# 0.5, 0 and 0.
SAMPLES = [
    sample([0, 0, 0, 1], [0, 0, 1, 1], 'Cap'),
    sample([2, 2, 3, 3], [2, 2, 3, 3], 'Chair'),
    sample([2, 2, 4, 4], [2, 3, 3, 2], 'Chair'),
]
CAP = (2 / 3 + 1 / 2) / 2
BAD_CHAIR = (1 / 3 + 0 + 0) / 3
EXPECTED = {
    'instance_miou': 100 * (CAP + 1 + BAD_CHAIR) / 3,
    'class_miou': 100 * (CAP + (1 + BAD_CHAIR) / 2) / 2,
    'accuracy': 100 * (3 + 4 + 1) / 12,
    # Part 4 is only predicted, part 5 does not occur.
    'mean_part_accuracy': 100 * (2 / 2 + 1 / 2 + 3 / 4 + 2 / 4) / 4,
}


@pytest.mark.parametrize('named', [True, False])
def test_worked_by_hand(named: bool) -> None:
    """With the category's name, and from the first label as published."""
    made = METRICS.build(dict(type='PartSegMetric'))
    assert type(made) is PartSegMetric
    made.dataset_meta = dict(category_parts=PARTS)
    data = [
        {k: v for k, v in one.items() if named or k != 'shape_category'}
        for one in SAMPLES
    ]
    made.process(None, data[:2])
    made.process(None, data[2:])
    found = made.evaluate(3)
    assert set(found) == set(EXPECTED)
    assert found == pytest.approx(EXPECTED)


def test_means_as_published() -> None:
    made = metric(published_means=True, per_category=True)
    made.process(None, SAMPLES)
    found = made.evaluate(3)
    # There is no mug, and parts 4 and 5 have no points.
    assert math.isnan(found['class_miou'])
    assert math.isnan(found['mean_part_accuracy'])
    assert found['instance_miou'] == pytest.approx(EXPECTED['instance_miou'])
    assert found['miou/Cap'] == pytest.approx(100 * CAP)
    assert 'miou/Mug' not in found


def test_ignored_points_do_not_count() -> None:
    clean, noisy = metric(), metric(ignore_index=99)
    clean.process(None, SAMPLES[:1])
    more = sample([1, 0, 0, 0, 1], [99, 0, 0, 1, 1], 'Cap')
    # An object without any labelled point is left out, but has its place:
    # what follows the first `size` results is padding of other processes.
    ignored = sample([2], [99], 'Chair')
    noisy.process(None, [ignored, more])
    assert len(noisy.results) == 2
    noisy.process(None, SAMPLES[1:])
    assert noisy.evaluate(2) == clean.evaluate(1)
    noisy.process(None, [ignored])
    with pytest.raises(ValueError, match='no labelled samples'):
        noisy.evaluate(1)
