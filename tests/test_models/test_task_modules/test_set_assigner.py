"""Which query is to predict which box."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch

from mmdet3d_act.models.task_modules import (
    HungarianSetAssigner,
    ThreeDETRBoxCoder,
)
from mmdet3d_act.registry import TASK_UTILS
from tests.test_models.detections import instances, raw_outputs, scene_range

BOXES = [[1.0, 1, 1, 1, 1, 1], [2.0, 2, 2, 1, 2, 1], [3.0, 1, 2, 1, 1, 2]]
SCENES = [instances(BOXES, [0, 1, 2]), instances(BOXES[:1], [1])]


def drawn(bins: int = 1) -> tuple:
    coder = ThreeDETRBoxCoder(bins)
    return (
        coder.decode(raw_outputs(bins=bins)),
        coder.encode(SCENES, scene_range()),
    )


def test_the_sum_of_costs_is_least() -> None:
    decoded, targets = drawn()
    assigner = TASK_UTILS.build(
        dict(type='HungarianSetAssigner', center_cost=1.0, objectness_cost=0.5)
    )
    costs = assigner.costs(decoded, targets)
    assert costs.shape == (2, 2, 5, 3)
    found = assigner.assign(decoded, targets)
    assert found.matched.sum(-1).tolist() == [[3, 1], [3, 1]]
    for layer in range(2):
        table = costs[layer, 0]
        best = min(
            sum(float(table[row, box]) for box, row in enumerate(rows))
            for rows in permutations(range(5), 3)
        )
        rows = found.matched[layer, 0].nonzero().squeeze(1)
        boxes = found.boxes[layer, 0, rows]
        assert boxes.sort().values.tolist() == [0, 1, 2]
        total = float(table[rows, boxes].sum())
        assert total == pytest.approx(best)
    assert not found.boxes[~found.matched].any()


def test_one_layer_alone() -> None:
    decoded, targets = drawn()
    last = {name: value[-1] for name, value in decoded.items()}
    assigner = HungarianSetAssigner()
    whole, alone = (assigner.assign(one, targets) for one in (decoded, last))
    assert torch.equal(alone.boxes, whole.boxes[-1])
    assert torch.equal(alone.matched, whole.matched[-1])


def test_more_boxes_than_queries() -> None:
    coder = ThreeDETRBoxCoder()
    decoded = coder.decode(raw_outputs(queries=2))
    found = HungarianSetAssigner().assign(
        decoded, coder.encode(SCENES, scene_range())
    )
    assert found.matched.sum(-1).tolist() == [[2, 1], [2, 1]]


def test_several_queries_for_a_box() -> None:
    """5 queries: 3 boxes have one each, a single box no more than half."""
    decoded, targets = drawn()
    for wanted, given in ((1, 1), (2, 2), (3, 2)):
        counts = [3, given]
        assigner = HungarianSetAssigner(queries_per_box=wanted)
        found = assigner.assign(decoded, targets)
        assert found.matched.sum(-1).tolist() == [counts, counts]
        costs = assigner.costs(decoded, targets)[0, 1, :, 0]
        best = costs.topk(given, largest=False).indices
        assert found.matched[0, 1].nonzero()[:, 0].tolist() == sorted(best)
        assert not found.boxes[0, 1].any()
        boxes = found.boxes[0, 0, found.matched[0, 0]]
        assert boxes.sort().values.tolist() == [0, 1, 2]


def test_no_boxes_at_all() -> None:
    coder = ThreeDETRBoxCoder()
    targets = coder.encode([instances([], [])] * 2, scene_range())
    found = HungarianSetAssigner().assign(coder.decode(raw_outputs()), targets)
    assert not found.matched.any()


def test_diverged_predictions_disturb_their_scene_only() -> None:
    decoded, targets = drawn()
    expected = HungarianSetAssigner().assign(decoded, targets)
    decoded['class_scores'][:, 0] = torch.nan
    found = HungarianSetAssigner().assign(decoded, targets)
    assert torch.equal(found.boxes[:, 1], expected.boxes[:, 1])
    counts = (one.matched.sum(-1) for one in (found, expected))
    assert torch.equal(*counts)
