"""Simple classifiers that show what features tell: linear SVM and k-NN."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mmdet3d_act.text import warn

QUERIES_AT_ONCE = 512


class LabelledFeatures(NamedTuple):
    """Features (S, C) in float64 and class indices (S,)."""

    features: np.ndarray
    labels: np.ndarray

    def take(self, indices: np.ndarray) -> LabelledFeatures:
        """Select the samples at the indices."""
        return LabelledFeatures(self.features[indices], self.labels[indices])


class SVMSettings(NamedTuple):
    """How linear SVMs are fitted.

    Args:
        candidates: Values of C, the inverse strength of the regularisation;
            several are chosen from by cross-validation.
        folds: Folds of the cross-validation, fewer where a class has fewer
            samples.
        seed: Seed of the folds and the solver.
        max_iter: Iterations of the solver.
    """

    candidates: tuple[float, ...] = (0.01,)
    folds: int = 5
    seed: int = 0
    max_iter: int = 2000


class FitTally:
    """Counts fits of linear SVMs, and says how many did not converge."""

    def __init__(self) -> None:
        self.fits = 0
        self.unfinished = 0

    def report(self, max_iter: int) -> None:
        """Log how many fits did not converge, and what to do.

        Args:
            max_iter: Iterations that they were given.
        """
        if not self.unfinished:
            return
        warn(
            f'{self.unfinished} of {self.fits} fits of the linear SVM did not '
            f'converge in {max_iter} iterations; accuracies may be a little '
            'low: standardize the features, raise max_iter, or lower C'
        )


def choose_penalty(
    train: LabelledFeatures,
    settings: SVMSettings,
    tally: FitTally,
) -> float:
    """Choose the C of the best accuracy in cross-validation, smaller if equal.

    Args:
        train: What the folds are made of.
        settings: With one candidate, it is returned without any fitting.
        tally: Counts the fits.

    Returns:
        One of the candidates.

    Raises:
        ValueError: If a class has a single sample, so that no fold can have
            it on both sides.
    """
    candidates = sorted(settings.candidates)
    if len(candidates) == 1:
        return float(candidates[0])
    from sklearn.model_selection import StratifiedKFold

    smallest = min(Counter(train.labels.tolist()).values())
    if smallest < 2:
        raise ValueError(
            "C='cv' needs at least 2 training samples of every class, got "
            f'{smallest}; give C a number or take more samples'
        )
    splitter = StratifiedKFold(
        min(settings.folds, smallest),
        shuffle=True,
        random_state=settings.seed,
    )
    folds = list(splitter.split(train.features, train.labels))
    scores = [
        np.mean(
            [
                svm_accuracy(
                    train.take(fit), train.take(held), C, settings, tally
                )
                for fit, held in folds
            ]
        )
        for C in candidates
    ]
    return float(candidates[int(np.argmax(scores))])


def svm_accuracy(
    train: LabelledFeatures,
    test: LabelledFeatures,
    penalty: float,
    settings: SVMSettings,
    tally: FitTally,
) -> float:
    """Score the percentage of ``test`` that a linear SVM gets right.

    Args:
        train: What it is fitted to.
        test: What it is scored on.
        penalty: Its C.
        settings: Seed and iterations.
        tally: Counts the fit.

    Returns:
        0 to 100.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    # liblinear shuffles by the seed: the same fit each time.
    svm = LinearSVC(
        C=penalty,
        dual=True,  # several times faster here, also with few channels
        random_state=settings.seed,
        max_iter=settings.max_iter,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always', ConvergenceWarning)
        svm.fit(train.features, train.labels)
    failed = any(issubclass(w.category, ConvergenceWarning) for w in caught)
    tally.fits += 1
    tally.unfinished += failed
    return _percent(svm.predict(test.features), test.labels)


def knn_accuracy(
    train: LabelledFeatures, test: LabelledFeatures, k: int
) -> float:
    """Score the percentage of ``test`` that the k nearest samples get right.

    Nearest by the cosine.

    Args:
        train: What votes; ties go to the class whose voters are nearer.
        test: What is scored.
        k: Number of voters.

    Returns:
        0 to 100.

    Raises:
        ValueError: If there are fewer than k training samples.
    """
    if k > len(train.labels):
        raise ValueError(
            f'knn must be <= number of training samples, got {k} > '
            f'{len(train.labels)}; lower knn or take more samples'
        )
    classes, codes = np.unique(train.labels, return_inverse=True)
    predicted = []
    for start in range(0, len(test.labels), QUERIES_AT_ONCE):
        queries = test.features[start : start + QUERIES_AT_ONCE]
        distances = _distances(queries, train.features)
        nearest = np.argsort(distances, axis=1, kind='stable')[:, :k]
        far = np.take_along_axis(distances, nearest, 1)
        # One row per query, one column per neighbour, then per class.
        votes = codes[nearest][..., None] == np.arange(len(classes))
        counts = votes.sum(1)
        total = (votes * far[..., None]).sum(1)
        total[counts < counts.max(1, keepdims=True)] = np.inf
        predicted.append(classes[total.argmin(1)])
    return _percent(np.concatenate(predicted), test.labels)


def draw_few_labels(
    train: LabelledFeatures, per_class: int, seeds: Sequence[tuple[int, int]]
) -> list[LabelledFeatures]:
    """Draw equally many samples of every class.

    Args:
        train: What is drawn from, without replacement.
        per_class: Samples of each class in a draw.
        seeds: One seed of numpy's generator for each draw.

    Returns:
        As many draws as seeds.

    Raises:
        ValueError: If a class has fewer samples.
    """
    by_class = [
        np.flatnonzero(train.labels == label)
        for label in np.unique(train.labels)
    ]
    smallest = min(len(members) for members in by_class)
    if smallest < per_class:
        raise ValueError(
            'labels_per_class must be <= the samples of every class, got '
            f'{per_class} > {smallest}; lower it or take more samples'
        )
    draws = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        chosen = [rng.choice(c, per_class, replace=False) for c in by_class]
        draws.append(train.take(np.sort(np.concatenate(chosen))))
    return draws


def _distances(queries: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Compute cosine distances (Q, S), at least 0."""
    queries = queries / _lengths(queries)
    points = points / _lengths(points)
    return np.maximum(1 - queries @ points.T, 0)


def _lengths(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(lengths > 0, lengths, 1)


def _percent(predicted: np.ndarray, labels: np.ndarray) -> float:
    return float((predicted == labels).mean() * 100)
