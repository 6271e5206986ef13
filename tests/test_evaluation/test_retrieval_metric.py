"""Ranks and recalls, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmdet3d_act.evaluation import RetrievalMetric
from mmdet3d_act.evaluation.retrieval_metric import (
    recall_at,
    retrieval_ranks,
)


def samples(
    preds: torch.Tensor, targets: torch.Tensor, name: str = 'concept'
) -> list[dict]:
    return [
        dict(sample_idx=i, pred_targets={name: (pred, target)})
        for i, (pred, target) in enumerate(zip(preds, targets, strict=True))
    ]


def evaluate(found: list[dict], **options: object) -> dict[str, float]:
    metric = RetrievalMetric(**options)
    metric.process(None, found)
    return metric.evaluate(size=len(found))


def test_ranks_against_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    gallery = rng.normal(size=(300, 8))
    queries = gallery + 2 * rng.normal(size=gallery.shape)
    expected = []
    for i, query in enumerate(queries):
        closeness = gallery @ query / np.linalg.norm(gallery, axis=1)
        expected.append(1 + int((closeness > closeness[i]).sum()))
    assert retrieval_ranks(queries, gallery).tolist() == expected


def test_predictions_that_are_all_alike_reach_chance() -> None:
    rng = np.random.default_rng(0)
    gallery = rng.normal(size=(50, 8))
    constant = retrieval_ranks(np.ones((50, 8)), gallery)
    assert sorted(constant) == list(range(1, 51))
    assert recall_at(constant, 1) == 2.0
    assert recall_at(constant, 5) == 10.0
    # Nothing is nearer to zeros than anything else.
    assert retrieval_ranks(np.zeros((50, 8)), gallery).min() == 50


def test_recalls_and_chance() -> None:
    torch.manual_seed(0)
    targets = torch.eye(8)
    preds = targets.clone()
    preds[0] = targets[1]
    metrics = evaluate(samples(preds, targets))
    assert metrics['recall_1'] == pytest.approx(87.5)
    assert metrics['chance_1'] == pytest.approx(12.5)
    assert metrics['chance_5'] == pytest.approx(62.5)
    assert metrics['median_rank'] == 1.0


def test_names_of_several_objectives() -> None:
    targets = torch.eye(4)
    found = samples(targets, targets)
    for sample in found:
        pred = sample['pred_targets']['concept'][0]
        sample['pred_targets']['image'] = -pred, pred
    metrics = evaluate(found, topk=(1,))
    assert metrics['concept_recall_1'] == 100.0
    assert metrics['image_recall_1'] == 0.0
    assert metrics['chance_1'] == 25.0
