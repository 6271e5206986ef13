"""How well the objects of scenes are found.

Letters: S scenes, D detections of a scene, M true boxes of a scene.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor

from mmdet3d_act.evaluation.average_precision import (
    ClassScores,
    SceneMatches,
    class_scores,
    match_scene,
)
from mmdet3d_act.evaluation.sample_fields import (
    class_names,
    name_of,
    required,
)
from mmdet3d_act.registry import METRICS, gravity_boxes
from mmdet3d_act.text import aligned, inform


@METRICS.register_module()
class PublishedIndoorMetric(BaseMetric):
    """Average precision and recall, as the papers on 3DETR report them.

    The same numbers as the published evaluation, see
    :func:`~mmdet3d_act.evaluation.average_precision.class_scores`. The means
    ``mAP_0.25`` and ``mAR_0.25`` are over the classes that occur or are
    detected, ``mAP_0.25_present`` and ``mAR_0.25_present`` over those that
    occur: on a few scenes, where most classes are absent, only the latter say
    how much is found. Values are shares of 1 with the names that
    MMDetection3D's `IndoorMetric` has, per class ``chair_AP_0.25`` and
    ``chair_rec_0.25``. A table with a row per class is logged.

    Args:
        iou_thr: Thresholds that the IoU must exceed.
        **options: See MMEngine's `BaseMetric`.

    Example:
        >>> PublishedIndoorMetric(iou_thr=0.25).iou_thr
        (0.25,)
    """

    default_prefix = 'published'
    # AP and recall of a class that is detected and does not occur.
    absent_value = 0.0

    def __init__(
        self, iou_thr: float | Sequence[float] = (0.25, 0.5), **options: Any
    ) -> None:
        super().__init__(**options)
        if isinstance(iou_thr, int | float):
            iou_thr = (iou_thr,)
        self.iou_thr = tuple(iou_thr)

    def process(
        self, data_batch: object, data_samples: Sequence[dict]
    ) -> None:
        """Find the best true box of every detection.

        Args:
            data_batch: Not used.
            data_samples: Each with ``pred_instances_3d`` (``bboxes_3d``,
                ``scores_3d``, ``labels_3d``) and the true boxes, in
                ``eval_ann_info`` as MMDetection3D's data sets have them when
                they are tested, or in ``gt_instances_3d``.

        Raises:
            ValueError: If one is absent, or a label is no class of the data
                set.
        """
        number = len(class_names(self))
        for sample in data_samples:
            found = required(
                sample, 'pred_instances_3d', 'a detector predicts it'
            )
            truth = find_true_boxes(sample)
            if truth is None:
                remedy = 'set test_mode of the data set'
                required(sample, 'gt_instances_3d.bboxes_3d', remedy)
            gt_boxes, gt_labels = truth
            labels = torch.as_tensor(found['labels_3d']).cpu()
            for what, values in (('label', gt_labels), ('detection', labels)):
                wrong = values[(values < 0) | (values >= number)]
                if len(wrong):
                    raise ValueError(
                        f'sample {name_of(sample)} has a {what} of class '
                        f'{int(wrong[0])}, there are {number}; the data set '
                        'and the head must have the same classes'
                    )
            self.results.append(
                match_scene(
                    gravity_boxes(found['bboxes_3d']).detach().cpu(),
                    labels,
                    torch.as_tensor(found['scores_3d']).detach().cpu(),
                    gt_boxes,
                    gt_labels,
                )
            )

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute the averages, and log the table of the classes.

        Args:
            results: Matches of all scenes.

        Returns:
            Shares of 1 by name.
        """
        # MMEngine hands them over as plain tuples.
        scenes = [SceneMatches(*one) for one in results]
        names = tuple(class_names(self))
        metrics: dict[str, float] = {}
        for threshold in self.iou_thr:
            scores = class_scores(scenes, len(names), threshold)
            present = scores.num_boxes > 0
            known = present | (scores.num_detections > 0)
            for mean, short, values in (
                ('mAP', 'AP', scores.ap),
                ('mAR', 'rec', scores.recall),
            ):
                values[known & ~present] = self.absent_value
                end = f'{threshold:.2f}'
                metrics[f'{mean}_{end}'] = _mean(values[known])
                metrics[f'{mean}_{end}_present'] = _mean(values[present])
                for label in np.flatnonzero(known):
                    key = f'{names[label]}_{short}_{end}'
                    metrics[key] = float(values[label])
        inform(self._table(names, scores, metrics))
        return metrics

    def _table(
        self,
        names: tuple[str, ...],
        scores: ClassScores,
        metrics: dict[str, float],
    ) -> str:
        """Format a row per class that occurs or is detected, in percent."""
        ends = [f'{one:.2f}' for one in self.iou_thr]
        head = [f'{what}_{end}' for end in ends for what in ('AP', 'AR')]
        counts = list(
            zip(scores.num_boxes, scores.num_detections, strict=True)
        )
        rows = [
            (name, count, f'{name}_AP_', f'{name}_rec_', '')
            for name, count in zip(names, counts, strict=True)
            if any(count)
        ]
        total = scores.num_boxes.sum(), scores.num_detections.sum()
        rows += [
            ('mean', total, 'mAP_', 'mAR_', ''),
            ('of present', total, 'mAP_', 'mAR_', '_present'),
        ]
        table: list[list] = [['class', 'boxes', 'detections', *head]]
        for title, found, ap, recall, tail in rows:
            keys = [f'{w}{end}{tail}' for end in ends for w in (ap, recall)]
            shares = [100 * metrics[key] for key in keys]
            table.append([title, *found, *shares])
        return f'{type(self).__name__}\n{aligned(table)}'


@METRICS.register_module()
class PresentIndoorMetric(PublishedIndoorMetric):
    """MMDetection3D's `IndoorMetric`, and means over the classes that occur.

    Beside its results are ``mAP_0.25_present`` and ``mAR_0.25_present``. The
    others are those that it computes, but for rounding, without its loops
    over boxes. ``mAP_0.25`` is NaN where a class is detected that does not
    occur.

    Args:
        iou_thr: Thresholds that the IoU must exceed.
        **options: See MMEngine's `BaseMetric`.
    """

    default_prefix = ''
    absent_value = float('nan')


def find_true_boxes(sample: dict) -> tuple[Tensor, Tensor] | None:
    """Find the true boxes of a sample, (M, 7), and their labels, (M,).

    Args:
        sample: A data sample as a dict. Boxes are in ``eval_ann_info`` or
            ``gt_instances_3d``; None comes back where they are in neither.
    """
    for group, prefix in (('eval_ann_info', 'gt_'), ('gt_instances_3d', '')):
        known = sample.get(group) or {}
        if f'{prefix}bboxes_3d' in known:
            labels = torch.as_tensor(known[f'{prefix}labels_3d'])
            boxes = gravity_boxes(known[f'{prefix}bboxes_3d'])
            return boxes.detach().cpu(), labels.long().cpu()
    return None


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float('nan')
