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

from mmdet3d_act.evaluation import classification_metric
from mmdet3d_act.evaluation.classification_metric import (
    ClassificationMetric,
    count_pairs,
)
from mmdet3d_act.registry import METRICS

CLASSES = ('bed', 'chair', 'desk', 'sofa')
# Two beds, three chairs and a sofa; no desk.
TRUE = [0, 0, 1, 1, 1, 3]
PREDICTED = [0, 2, 1, 1, 1, 1]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    texts: list[str] = []
    monkeypatch.setattr(
        classification_metric,
        'print_log',
        lambda text, logger: texts.append(text),
    )
    return texts


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


def test_single_classes_are_an_option(log: list[str]) -> None:
    _, results = evaluate(TRUE, PREDICTED, per_class=True, prefix='test')
    single = {k: v for k, v in results.items() if 'accuracy/' in k}
    assert single == {
        'test/accuracy/bed': 50.0,
        'test/accuracy/chair': 100.0,
        'test/accuracy/sofa': 0.0,
    }


def test_the_table(log: list[str]) -> None:
    evaluate(TRUE, PREDICTED)
    (table,) = log
    rows = [line.split() for line in table.splitlines()]
    assert rows[2:] == [
        ['bed', '2', '50.00', 'desk'],
        ['chair', '3', '100.00'],
        ['sofa', '1', '0.00', 'chair'],
        ['all', '6', '66.67'],
    ]


def test_without_names_classes_are_numbers() -> None:
    metric = ClassificationMetric()
    metric.process(None, [dict(gt_label=2, pred_label=0)])
    assert metric.evaluate(size=1)['overall_accuracy'] == 0
    assert metric.classes == ('0', '1', '2')


def test_samples_that_padding_repeats_are_left_out() -> None:
    metric, _ = evaluate(TRUE, PREDICTED)
    pairs = list(zip(TRUE, PREDICTED, strict=True))
    metric.results = [*pairs, pairs[0]]
    assert metric.evaluate(size=6)['overall_accuracy'] == pytest.approx(
        100 * 4 / 6
    )


def test_a_head_with_other_classes_is_named() -> None:
    with pytest.raises(ValueError, match='has 4 classes, got the class ind'):
        evaluate([0], [4])


def test_classes_that_the_data_do_not_have_are_wrong_if_allowed(
    log: list[str],
) -> None:
    guesses = [*PREDICTED[:5], 39]
    metric, results = evaluate(TRUE, guesses, allow_foreign=True)
    assert results['overall_accuracy'] == pytest.approx(100 * 4 / 6)
    assert results['mean_class_accuracy'] == pytest.approx(100 * 1.5 / 3)
    assert metric.classes == (*CLASSES, '(another)')
    assert metric.confusion.shape == (5, 5)
    assert metric.confusion[3].tolist() == [0, 0, 0, 0, 1]
    assert ['sofa', '1', '0.00', '(another)'] in [
        line.split() for line in log[0].splitlines()
    ]
    # Nothing foreign, nothing changed.
    _, same = evaluate(TRUE, PREDICTED, allow_foreign=True)
    assert same == evaluate(TRUE, PREDICTED)[1]
    with pytest.raises(ValueError, match='has 4 classes, got the class ind'):
        evaluate([4], [4], allow_foreign=True)


def test_counting() -> None:
    pairs = np.array([[1, 0], [1, 0], [0, 2]])
    assert count_pairs(pairs, 3).tolist() == [[0, 0, 1], [2, 0, 0], [0, 0, 0]]
