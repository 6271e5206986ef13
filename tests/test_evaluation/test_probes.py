from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mmdet3d_act.evaluation import probes
from mmdet3d_act.evaluation.probes import (
    FitTally,
    LabelledFeatures,
    SVMSettings,
    choose_penalty,
    draw_few_labels,
    knn_accuracy,
    svm_accuracy,
)


def labelled(features: list, labels: list) -> LabelledFeatures:
    return LabelledFeatures(np.array(features, float), np.array(labels))


def blobs(
    per_class: int, spread: float, seed: int, num_classes: int = 3
) -> LabelledFeatures:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(num_classes), per_class)
    centers = np.eye(num_classes, 8)[labels]
    noise = rng.normal(size=(len(labels), 8)) * spread
    return LabelledFeatures(centers + noise, labels)


def test_nearest_neighbour_by_hand() -> None:
    train = labelled([[0, 1], [5, 0], [1, 5]], [3, 7, 7])
    test = labelled([[0, 2], [4, 0], [0, 9], [0, 9]], [3, 7, 3, 7])
    # By the cosine, however long: labels 3, 7, 3, 3; the fourth is wrong.
    assert knn_accuracy(train, test, 1) == 75


def directions(*degrees: float) -> list[list[float]]:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).tolist()


def test_majority_wins_over_the_nearest() -> None:
    train = labelled(directions(10, 20, 30), [0, 1, 1])
    test = labelled(directions(0), [0])
    assert knn_accuracy(train, test, 1) == 100
    assert knn_accuracy(train, test, 3) == 0


def test_tied_vote_goes_to_the_nearer_class() -> None:
    # 1 - cos: 0.015 + 0.234 for class 1, 0.134 + 0.134 for class 0.
    train = labelled(directions(10, -40, 30, -30), [1, 1, 0, 0])
    assert knn_accuracy(train, labelled(directions(0), [1]), 4) == 100
    assert knn_accuracy(train, labelled(directions(0), [0]), 4) == 0


def test_neighbours_are_found_in_chunks(monkeypatch) -> None:
    train, test = blobs(20, 0.5, 0), blobs(15, 0.5, 1)
    whole = knn_accuracy(train, test, 5)
    monkeypatch.setattr(probes, 'QUERIES_AT_ONCE', 7)
    assert knn_accuracy(train, test, 5) == whole
    assert 50 < whole < 100


def test_penalty_is_chosen_on_the_training_part() -> None:
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 20)
    # A small clean channel tells the class, a large one is noise: little
    # regularisation finds the first.
    clean = np.stack([labels - 0.5, 10 * rng.normal(size=40)], 1)
    candidates = SVMSettings(candidates=(1e-6, 100.0), folds=4)
    train = LabelledFeatures(clean, labels)
    assert choose_penalty(train, candidates, FitTally()) == 100.0
    fits = [
        svm_accuracy(train, train, C, candidates, FitTally())
        for C in candidates.candidates
    ]
    assert fits[0] < fits[1] == 100
    # Noise alone: nothing speaks for the larger one.
    noise = LabelledFeatures(np.ones((40, 2)), labels)
    assert choose_penalty(noise, candidates, FitTally()) == 1e-6


def test_smaller_of_equal_penalties_is_chosen() -> None:
    train = blobs(10, 0.0, 0)
    settings = SVMSettings(candidates=(1.0, 0.1, 10.0))
    assert choose_penalty(train, settings, FitTally()) == 0.1


def test_draws_have_equal_classes_and_follow_the_seed() -> None:
    train = blobs(12, 1.0, 0)
    first, second = draw_few_labels(train, 4, [(0, 0), (0, 1)])
    again, _ = draw_few_labels(train, 4, [(0, 0), (0, 1)])
    assert np.bincount(first.labels).tolist() == [4, 4, 4]
    np.testing.assert_array_equal(first.features, again.features)
    assert not np.array_equal(first.features, second.features)
    assert len(np.unique(first.features, axis=0)) == 12
    rows = {row.tobytes(): label for row, label in zip(*train, strict=True)}
    assert [rows[row.tobytes()] for row in first.features] == list(
        first.labels
    )


@pytest.mark.parametrize(('options', 'fits'), [({}, 11), ({'folds': 3}, 7)])
def test_failures_are_counted(options: dict, fits: int) -> None:
    train = blobs(10, 1.0, 0)
    settings = SVMSettings((1e3, 1e4), max_iter=1, **options)
    tally = FitTally()
    penalty = choose_penalty(train, settings, tally)
    svm_accuracy(train, train, penalty, settings, tally)
    assert tally.fits == tally.unfinished == fits


ONE = labelled([[1.0], [2.0], [3.0]], [0, 1, 1])


@pytest.mark.parametrize(
    ('call', 'offender'),
    [
        (lambda: knn_accuracy(ONE, ONE, 4), r'knn must be <= .* 4 > 3'),
        (
            lambda: choose_penalty(ONE, SVMSettings((0.1, 1.0)), FitTally()),
            'at least 2 training samples',
        ),
        (lambda: draw_few_labels(ONE, 2, [(0, 0)]), 'labels_per_class'),
    ],
)
def test_too_few_samples_are_refused(
    call: Callable[[], object], offender: str
) -> None:
    with pytest.raises(ValueError, match=offender):
        call()
