"""How well the points of scenes are classified.

Letters: N points, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from mmdet3d_act.evaluation.sample_fields import (
    class_names,
    gt_mask,
    name_of,
    required,
)
from mmdet3d_act.registry import METRICS
from mmdet3d_act.text import aligned, inform


@METRICS.register_module()
class SemanticSegMetric(BaseMetric):
    """Mean IoU, mean class accuracy and overall accuracy over all points.

    Hits and unions are summed over all samples before they are divided.
    What a sample is decides which score this is: blocks of scenes give the
    block-wise score, whole scenes (segmented in sliding windows) that of the
    scenes; ``prefix`` tells the two apart. Results are in percent: ``miou``,
    ``mean_class_accuracy``, ``overall_accuracy``. A table with a row per
    class is logged.

    Args:
        per_class: Whether the results also have an entry per class, named
            ``iou/wall``.
        ignore_index: Label of points that do not count.
        published_batch_size: None averages over the classes that occur, in
            labels or predictions. A batch size repeats the arithmetic of
            published code: a class that does not occur counts as 0, and the
            overall accuracy is divided by whole batches, so that an
            incomplete last batch lowers it.
        **options: See MMEngine's `BaseMetric`.

    Example:
        >>> metric = SemanticSegMetric(prefix='blocks')
        >>> metric.dataset_meta = dict(classes=('floor', 'wall'))
        >>> sample = dict(
        ...     pred_pts_seg=dict(pts_semantic_mask=torch.tensor([0, 1])),
        ...     gt_pts_seg=dict(pts_semantic_mask=torch.tensor([0, 1])),
        ... )
        >>> metric.process(None, [sample])
        >>> metric.evaluate(size=1)['blocks/miou']
        100.0

    Source: evaluation of the published code of ACT
    (``semantic_segmentation/main.py`` and ``main_test.py``, commit 508019c).
    """

    default_prefix = ''

    def __init__(
        self,
        *,
        per_class: bool = False,
        ignore_index: int = 255,
        published_batch_size: int | None = None,
        **options: object,
    ) -> None:
        super().__init__(**options)
        self.per_class = per_class
        self.ignore_index = ignore_index
        self.published_batch_size = published_batch_size

    def process(
        self, data_batch: object, data_samples: Sequence[dict]
    ) -> None:
        """Count what is predicted where.

        Args:
            data_batch: Not used.
            data_samples: Each with ``pred_pts_seg.pts_semantic_mask`` (N,)
                and ``gt_pts_seg.pts_semantic_mask`` (N,).

        Raises:
            ValueError: If one is absent, or a label is no class of the data
                set.
        """
        size = len(class_names(self))
        for sample in data_samples:
            pred = required(
                sample,
                'pred_pts_seg.pts_semantic_mask',
                'a segmentor predicts it',
            )
            pred = pred.detach().cpu().long()
            target = gt_mask(sample, len(pred))
            counted = target != self.ignore_index
            num_points = len(target)
            pred, target = pred[counted], target[counted]
            for what, values in (('labels', target), ('predictions', pred)):
                wrong = values[(values < 0) | (values >= size)]
                if len(wrong):
                    raise ValueError(
                        f'{what} of sample {name_of(sample)} '
                        f'must be 0 to {size - 1}, got '
                        f'{wrong.unique().tolist()[:8]}; the data set and the '
                        'head must have the same classes, other labels '
                        f'become ignore_index={self.ignore_index}'
                    )
            matrix = torch.bincount(target * size + pred, minlength=size**2)
            self.results.append((matrix.view(size, size).numpy(), num_points))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Divide what was counted, and log the table of the classes.

        Args:
            results: Points by label and prediction, (C, C), and number of
                points, of all samples.

        Returns:
            Percentages by name.
        """
        matrix = np.sum([counts for counts, _ in results], axis=0)
        hits = np.diag(matrix).astype(float)
        seen = matrix.sum(1)
        union = seen + matrix.sum(0) - np.diag(matrix)
        iou = self._share(hits, union)
        recall = self._share(hits, seen)
        values = {
            'miou': np.nanmean(iou) if union.any() else float('nan'),
            'mean_class_accuracy': (
                np.nanmean(recall) if seen.any() else float('nan')
            ),
            'overall_accuracy': hits.sum() / self._num_points(results, seen),
        }
        metrics = {name: 100 * float(value) for name, value in values.items()}
        inform(self._table(iou, recall, seen, metrics))
        if self.per_class:
            for name, value in zip(class_names(self), iou, strict=True):
                if not np.isnan(value):
                    metrics[f'iou/{name}'] = 100 * float(value)
        return metrics

    def _share(self, hits: np.ndarray, total: np.ndarray) -> np.ndarray:
        """Divide hits by total: NaN, or 0 as published, where that is 0."""
        if self.published_batch_size is not None:
            return hits / (total + 1e-6)
        return np.divide(
            hits, total, out=np.full_like(hits, np.nan), where=total > 0
        )

    def _num_points(self, results: list, seen: np.ndarray) -> int:
        size = self.published_batch_size
        if size is None:
            return max(1, int(seen.sum()))
        batches = math.ceil(len(results) / size)
        return batches * size * results[0][1]

    def _table(
        self,
        iou: np.ndarray,
        recall: np.ndarray,
        seen: np.ndarray,
        metrics: dict[str, float],
    ) -> str:
        """Lay out a row per class, in percent."""
        title = f'semantic segmentation {self.prefix or ""}'.strip()
        rows: list[list] = [['class', 'points', 'IoU', 'accuracy']]
        shares = zip(
            class_names(self), seen, 100 * iou, 100 * recall, strict=True
        )
        rows += [list(row) for row in shares]
        means = metrics['miou'], metrics['mean_class_accuracy']
        rows.append(['mean', seen.sum(), *means])
        return f'{title}\n{aligned(rows)}'
