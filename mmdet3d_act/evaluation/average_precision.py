"""Average precision of boxes.

Letters: S scenes, D detections of a scene, M true boxes of a scene.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from mmdet3d_act.ops import iou3d


class SceneMatches(NamedTuple):
    """What is left of a scene for the average precision.

    Attributes:
        labels: int64 (D,), class of every detection.
        scores: (D,).
        overlaps: (D,), IoU with the true box of the same class that overlaps
            most; -1 where there is none.
        boxes: int64 (D,), index of that box in the scene; -1 for none.
        gt_labels: int64 (M,), classes of the true boxes.
    """

    labels: np.ndarray
    scores: np.ndarray
    overlaps: np.ndarray
    boxes: np.ndarray
    gt_labels: np.ndarray


# What is left of no scene at all.
_NOTHING = SceneMatches(
    *(np.zeros(0, kind) for kind in ('i8', 'f8', 'f8', 'i8', 'i8'))
)


class ClassScores(NamedTuple):
    """Average precision and recall of every class.

    Attributes:
        ap: (C,), 0 to 1, NaN for a class that neither occurs nor is
            detected.
        recall: (C,), likewise.
        num_boxes: int64 (C,), true boxes.
        num_detections: int64 (C,).
    """

    ap: np.ndarray
    recall: np.ndarray
    num_boxes: np.ndarray
    num_detections: np.ndarray


def match_scene(
    boxes: Tensor,
    labels: Tensor,
    scores: Tensor,
    gt_boxes: Tensor,
    gt_labels: Tensor,
) -> SceneMatches:
    """Match every detection with its best true box, in float64.

    Args:
        boxes: (D, 6 or 7), on the CPU, as all.
        labels: (D,).
        scores: (D,).
        gt_boxes: (M, 6 or 7).
        gt_labels: (M,).
    """
    overlaps = np.full(len(labels), -1.0)
    best = np.full(len(labels), -1, dtype=np.int64)
    labels, gt_labels = labels.long(), gt_labels.long()
    for label in gt_labels.unique():
        own = (labels == label).numpy().nonzero()[0]
        true = (gt_labels == label).numpy().nonzero()[0]
        if len(own):
            values = iou3d(
                boxes[own][:, None].double(), gt_boxes[true][None].double()
            ).numpy()
            # The first of equal ones; torch's choice is unspecified.
            index = values.argmax(axis=1)
            overlaps[own] = values[np.arange(len(own)), index]
            best[own] = true[index]
    return SceneMatches(
        labels.numpy(),
        scores.double().numpy(),
        overlaps,
        best,
        gt_labels.numpy(),
    )


def class_scores(
    scenes: Sequence[SceneMatches], num_classes: int, threshold: float
) -> ClassScores:
    """Compute average precision and recall as VoteNet and 3DETR do.

    Detections of all scenes are sorted by score. One is right if it overlaps
    the true box that it overlaps most by more than the threshold, and no
    detection of a higher score was right with that box. Precision at a recall
    is the highest at that or a higher one; its area over the recall is the
    average precision, at all points. A class that is detected and does not
    occur scores 0, and so does one that occurs and is not detected.

    Args:
        scenes: All scenes.
        num_classes: Classes C.
        threshold: IoU that must be exceeded.

    Source: Qi et al., VoteNet, ICCV 2019; published code of 3DETR
    (``utils/eval_det.py``, commit a5d1aad).
    """
    every = [_NOTHING, *scenes]
    labels, scores, overlaps, boxes, gt_labels = map(
        np.concatenate, zip(*every, strict=True)
    )
    # Numbered over all scenes.
    counts = [len(one.gt_labels) for one in every]
    first = np.cumsum(counts) - counts
    boxes = boxes + np.repeat(first, [len(one.boxes) for one in every])
    num_boxes = np.bincount(gt_labels, minlength=num_classes)
    num_detections = np.bincount(labels, minlength=num_classes)
    ap = np.full(num_classes, np.nan)
    recall = np.full(num_classes, np.nan)
    for label in range(num_classes):
        if num_boxes[label] == 0 or num_detections[label] == 0:
            if num_boxes[label] or num_detections[label]:
                ap[label] = recall[label] = 0.0
            continue
        own = np.flatnonzero(labels == label)
        own = own[np.argsort(-scores[own], kind='stable')]
        hits = np.cumsum(
            mark_first_hits(boxes[own], overlaps[own] > threshold)
        )
        recalls = hits / num_boxes[label]
        precision = hits / np.arange(1, len(own) + 1)
        ap[label] = _area(recalls, precision)
        recall[label] = recalls[-1]
    return ClassScores(ap, recall, num_boxes, num_detections)


def mark_first_hits(boxes: np.ndarray, close: np.ndarray) -> np.ndarray:
    """Mark the first close detection of each true box: 1, others 0, (D,).

    Args:
        boxes: int64 (D,), the true box of each detection, likeliest first.
        close: bool (D,), whether the detection is close enough to it.
    """
    candidates = np.flatnonzero(close)
    right = np.zeros(len(boxes))
    right[candidates[np.unique(boxes[close], return_index=True)[1]]] = 1
    return right


def _area(recall: np.ndarray, precision: np.ndarray) -> float:
    """Integrate the highest precision at each recall or beyond."""
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * highest).sum())
