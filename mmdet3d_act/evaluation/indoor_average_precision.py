"""MMDetection3D's average precision of boxes, without loops over boxes.

Its `indoor_eval` makes an object of every detection and compares them one by
one: with 18 detections of a box that is minutes and gigabytes for the 312
validation scenes of ScanNet. Here whole arrays are compared; every number is
the same to the last bit, in which the order of scenes, detections and classes
matters.

Letters: S scenes, D detections of a class, M true boxes of a class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from mmdet3d_act.evaluation.average_precision import mark_first_hits


class IndoorMatches(NamedTuple):
    """Detections and true boxes of a class, scene after scene.

    Attributes:
        scores: (D,) of each scene.
        overlaps: float32 (D,) of each scene, IoU with the true box that a
            detection overlaps most, minus infinity where there is none.
        boxes: int64 (D,) of each scene, the number of that box.
        counts: Number M of each scene.
    """

    scores: list[np.ndarray]
    overlaps: list[torch.Tensor]
    boxes: list[np.ndarray]
    counts: list[int]


class IndoorScores(NamedTuple):
    """Average precision and recall by label, in the order of appearance.

    Attributes:
        ap: float32, NaN for a class that is detected and does not occur;
            float64 for one that is not detected.
        recall: Of all detections, likewise.
    """

    ap: dict[int, np.floating]
    recall: dict[int, float]


def indoor_scores(
    results: Sequence[tuple[Mapping, Mapping]],
    thresholds: Sequence[float],
    box_mode: Any,  # noqa: ANN401
) -> list[IndoorScores]:
    """Compute MMDetection3D's `indoor_eval` result, by threshold.

    Args:
        results: Of each scene true boxes (``gt_bboxes_3d``,
            ``gt_labels_3d``) and predictions (``bboxes_3d``, ``scores_3d``,
            ``labels_3d``), on the CPU.
        thresholds: IoU that must be exceeded.
        box_mode: MMDetection3D's `Box3DMode` of the true boxes.

    Source: MMDetection3D 1.4, ``evaluation/functional/indoor_eval.py``.
    """
    matches: dict[int, IndoorMatches] = {}
    for truth, found in results:
        boxes = found['bboxes_3d'].convert_to(box_mode)
        labels = np.asarray(found['labels_3d'])
        true_labels = np.asarray(truth['gt_labels_3d'])
        for label in _in_order(labels, true_labels):
            own = np.flatnonzero(labels == label)
            true = np.flatnonzero(true_labels == label)
            _add(
                matches.setdefault(label, IndoorMatches([], [], [], [])),
                np.asarray(found['scores_3d'])[own],
                _some(boxes, own),
                _some(truth['gt_bboxes_3d'], true),
            )
    scores = [IndoorScores({}, {}) for _ in thresholds]
    for label, own in matches.items():
        for one, threshold in zip(scores, thresholds, strict=True):
            one.ap[label], one.recall[label] = _score(own, threshold)
    return scores


def _in_order(*labels: np.ndarray) -> list[int]:
    """Return the labels that occur, in the order of their first occurrence."""
    joined = np.concatenate([one.reshape(-1) for one in labels])
    known, first = np.unique(joined.astype(np.int64), return_index=True)
    return known[np.argsort(first)].tolist()


def _some(boxes: Any, rows: np.ndarray) -> Any:  # noqa: ANN401
    """Return some of MMDetection3D's boxes, in single precision."""
    return boxes.new_box(boxes.tensor[torch.from_numpy(rows)].float())


def _add(
    matches: IndoorMatches,
    scores: np.ndarray,
    boxes: Any,  # noqa: ANN401
    true_boxes: Any,  # noqa: ANN401
) -> None:
    """Add a scene's detections and true boxes of a class."""
    overlaps = torch.full((len(scores),), -torch.inf)
    chosen = np.zeros(len(scores), np.int64)
    if len(scores) and len(true_boxes):
        values = boxes.overlaps(boxes, true_boxes)
        values = values.masked_fill(values.isnan(), -torch.inf)
        # The first of equal ones; torch's choice is unspecified.
        chosen = values.numpy().argmax(axis=1)
        overlaps = values[torch.arange(len(scores)), torch.from_numpy(chosen)]
    matches.scores.append(scores)
    matches.overlaps.append(overlaps)
    matches.boxes.append(chosen)
    matches.counts.append(len(true_boxes))


def _score(
    matches: IndoorMatches, threshold: float
) -> tuple[np.floating, float]:
    """Return average precision and recall of a class."""
    scores = np.concatenate(matches.scores)
    if not len(scores):
        return np.float64(0), 0.0
    # Not a stable order: the one that MMDetection3D gets.
    order = np.argsort(-scores)
    close = (torch.cat(matches.overlaps) > threshold).numpy()[order]
    first = np.cumsum([0, *matches.counts[:-1]])
    boxes = np.concatenate(
        [own + start for own, start in zip(matches.boxes, first, strict=True)]
    )
    right = mark_first_hits(boxes[order], close)
    hits = np.cumsum(right)
    with np.errstate(invalid='ignore'):
        recall = hits / float(sum(matches.counts))
    precision = hits / (hits + np.cumsum(1 - right))
    return _area(recall, precision), float(recall[-1])


def _area(recall: np.ndarray, precision: np.ndarray) -> np.float32:
    """Return the area under a curve as MMDetection3D adds it up."""
    recall = np.concatenate([[0.0], recall, [1.0]])
    precision = np.concatenate([[0.0], precision, [0.0]])
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.flatnonzero(recall[1:] != recall[:-1])
    area = (recall[steps + 1] - recall[steps]) * highest[steps + 1]
    return np.float32(np.sum(area))
