"""Accuracies, and the counts behind them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
)

from mmdet3d_act.evaluation.classification_metric import (
    ClassificationMetric,
)
from mmdet3d_act.registry import METRICS

CLASSES = ('bed', 'chair', 'desk', 'sofa')
# Two beds, three chairs and a sofa; no desk.
TRUE = [0, 0, 1, 1, 1, 3]
PREDICTED = [0, 2, 1, 1, 1, 1]


def evaluate(
    true: list[int], predicted: list[int], **options: object
) -> tuple[ClassificationMetric, dict[str, float]]:
    metric = METRICS.build(dict(type='ClassificationMetric', **options))
    metric.dataset_meta = dict(classes=CLASSES)
    samples = [
        dict(
            gt_label=torch.tensor([label]),
            pred_label=torch.tensor([guess]),
            sample_idx=index,
        )
        for index, (label, guess) in enumerate(
            zip(true, predicted, strict=True)
        )
    ]
    for start in range(0, len(samples), 4):
        metric.process(None, samples[start : start + 4])
    return metric, metric.evaluate(size=len(samples))


def test_a_case_by_hand() -> None:
    metric, results = evaluate(TRUE, PREDICTED)
    assert results == pytest.approx(
        {
            'overall_accuracy': 100 * 4 / 6,
            # Beds 1/2, chairs 3/3, sofas 0/1; desks have no samples.
            'mean_class_accuracy': 100 * (1 / 2 + 1 + 0) / 3,
        }
    )
    assert metric.classes == CLASSES
    assert metric.confusion.tolist() == [
        [1, 0, 1, 0],
        [0, 3, 0, 0],
        [0, 0, 0, 0],
        [0, 1, 0, 0],
    ]


def test_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    true, guess = rng.integers(0, 4, size=(2, 200))
    guess = np.where(rng.random(200) < 0.6, true, guess)
    metric, results = evaluate(true.tolist(), guess.tolist())
    assert results['overall_accuracy'] == pytest.approx(
        100 * accuracy_score(true, guess)
    )
    assert results['mean_class_accuracy'] == pytest.approx(
        100 * balanced_accuracy_score(true, guess)
    )
    assert np.array_equal(metric.confusion, confusion_matrix(true, guess))


def test_single_classes_are_an_option() -> None:
    _, results = evaluate(TRUE, PREDICTED, per_class=True, prefix='test')
    single = {k: v for k, v in results.items() if 'accuracy/' in k}
    assert single == {
        'test/accuracy/bed': 50.0,
        'test/accuracy/chair': 100.0,
        'test/accuracy/sofa': 0.0,
    }


@pytest.mark.parametrize(
    ('true', 'guess', 'allow_foreign'), [(0, 4, False), (4, 4, True)]
)
def test_a_head_with_other_classes_is_named(
    true: int, guess: int, allow_foreign: bool
) -> None:
    with pytest.raises(ValueError, match='4 classes'):
        evaluate([true], [guess], allow_foreign=allow_foreign)


def test_classes_that_the_data_do_not_have_are_wrong_if_allowed() -> None:
    guesses = [*PREDICTED[:5], 39]
    metric, results = evaluate(TRUE, guesses, allow_foreign=True)
    assert results['overall_accuracy'] == pytest.approx(100 * 4 / 6)
    assert results['mean_class_accuracy'] == pytest.approx(100 * 1.5 / 3)
    assert metric.classes == (*CLASSES, '(another)')
    assert metric.confusion.shape == (5, 5)
    assert metric.confusion[3].tolist() == [0, 0, 0, 0, 1]
    # Nothing foreign, nothing changed.
    _, same = evaluate(TRUE, PREDICTED, allow_foreign=True)
    assert same == evaluate(TRUE, PREDICTED)[1]
