"""How well the parts of objects are found.

Letters: N points, C parts of all categories.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor

from mmdet3d_act.evaluation.sample_fields import (
    class_names,
    gt_mask,
    name_of,
    required,
)
from mmdet3d_act.registry import METRICS
from mmdet3d_act.text import aligned, inform


@METRICS.register_module()
class PartSegMetric(BaseMetric):
    """Mean intersection over union of parts, as ShapeNetPart is scored.

    The prediction at a point is the largest logit among the parts of the
    object's category. An object's score is the mean IoU of its category's
    parts; a part that neither occurs nor is predicted scores 1. Results, in
    percent:

    - ``instance_miou``: mean over the objects;
    - ``class_miou``: mean of the categories' means;
    - ``accuracy``: share of points;
    - ``mean_part_accuracy``: mean over the parts of their share of points.

    A table with a row per category is logged.

    Source: Yi et al., SIGGRAPH Asia 2016; evaluation of the published code of
    Point-MAE and ACT (``part_segmentation/main.py``, commit 508019c).

    Args:
        per_category: Whether the results also have an entry per category,
            named ``miou/Chair``.
        ignore_index: Label of points that do not count.
        published_means: Whether a category without objects makes
            ``class_miou``, and a part without points
            ``mean_part_accuracy``, not a number, as in published code;
            otherwise the means are over what occurs.
        **options: See MMEngine's `BaseMetric`.

    Example:
        >>> metric = PartSegMetric()
        >>> metric.dataset_meta = dict(category_parts=dict(Cap=(0, 1)))
        >>> logits = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> sample = dict(
        ...     pts_seg_logits=dict(pts_seg_logits=logits),
        ...     gt_pts_seg=dict(pts_semantic_mask=torch.tensor([0, 1])),
        ... )
        >>> metric.process(None, [sample])
        >>> metric.evaluate(size=1)['instance_miou']
        100.0
    """

    default_prefix = ''

    def __init__(
        self,
        *,
        per_category: bool = False,
        ignore_index: int = 255,
        published_means: bool = False,
        **options: object,
    ) -> None:
        super().__init__(**options)
        self.per_category = per_category
        self.ignore_index = ignore_index
        self.published_means = published_means

    def process(
        self, data_batch: object, data_samples: Sequence[dict]
    ) -> None:
        """Compare each object's prediction with its labels.

        Args:
            data_batch: Not used.
            data_samples: Each with ``pts_seg_logits.pts_seg_logits`` (C, N),
                ``gt_pts_seg.pts_semantic_mask`` (N,), and ``shape_category``,
                the category's name; without it the category is that of the
                first labelled point, as published.

        Raises:
            ValueError: If something is absent or does not fit the data set's
                meta information.
        """
        parts = class_names(self, 'category_parts')
        for sample in data_samples:
            logits = required(
                sample,
                'pts_seg_logits.pts_seg_logits',
                'a part segmentor predicts it',
            )
            target = gt_mask(sample, logits.shape[-1])
            logits = logits.cpu()
            counted = target != self.ignore_index
            if not counted.any():
                # One result a sample, or collecting over processes would
                # keep samples that only fill up the last batch.
                self.results.append(None)
                continue
            logits, target = logits[:, counted], target[counted]
            category = self._category(sample, target, parts)
            own = torch.tensor(parts[category])
            if int(own.max()) >= len(logits):
                raise ValueError(
                    f'{category} has the parts {own.tolist()}, the logits are '
                    f'of {len(logits)} parts only; set num_classes of the '
                    'head to the number of parts of the data set'
                )
            pred = own[logits[own].argmax(0)]
            counts = _count(pred, target, own)
            self.results.append((category, len(target), *counts))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Average over objects, categories and parts, and log the table.

        Args:
            results: Category, number of points, IoU of its parts, right and
                labelled points by part, of all objects; None of those
                without labelled points.

        Returns:
            Percentages by name.

        Raises:
            ValueError: If there are no results.
        """
        results = [one for one in results if one is not None]
        if not results:
            raise ValueError(
                'PartSegMetric got no labelled samples; check the validation '
                'data'
            )
        parts = class_names(self, 'category_parts')
        scores: dict[str, list[float]] = {name: [] for name in parts}
        hits: Counter[int] = Counter()
        seen: Counter[int] = Counter()
        for category, _, ious, right, labelled in results:
            scores[category].append(float(np.mean(ious)))
            for part, r, n in zip(
                parts[category], right, labelled, strict=True
            ):
                hits[part] += r
                seen[part] += n
        rows = {
            name: float(np.mean(values)) if values else float('nan')
            for name, values in scores.items()
        }
        shares = [
            hits[part] / seen[part] if seen[part] else float('nan')
            for own in parts.values()
            for part in own
        ]
        mean = np.mean if self.published_means else np.nanmean
        every = [np.mean(ious) for _, _, ious, *_ in results]
        num_points = sum(number for _, number, *_ in results)
        values = {
            'instance_miou': np.mean(every),
            'class_miou': mean(list(rows.values())),
            'accuracy': hits.total() / num_points,
            'mean_part_accuracy': mean(shares),
        }
        metrics = {name: 100 * float(value) for name, value in values.items()}
        counts = {name: len(values) for name, values in scores.items()}
        inform(_table(rows, counts, metrics))
        if self.per_category:
            for name, value in rows.items():
                if counts[name]:
                    metrics[f'miou/{name}'] = 100 * value
        return metrics

    def _category(
        self, sample: dict, target: Tensor, parts: Mapping[str, tuple]
    ) -> str:
        name = sample.get('shape_category')
        first = int(target[0])
        for category, own in parts.items():
            if category == name or (name is None and first in own):
                return category
        raise ValueError(
            f'sample {name_of(sample)} has shape_category {name!r} and the '
            f'first label {first}, the categories have {dict(parts)}; give '
            'meta_keys of PackPointInputs shape_category'
        )


def _count(
    pred: Tensor, target: Tensor, own: Tensor
) -> tuple[list[float], list[int], list[int]]:
    """Compute IoU, right and labelled points of each part."""
    predicted = pred == own[:, None]  # (parts, N)
    labelled = target == own[:, None]
    right = (predicted & labelled).sum(1)
    union = (predicted | labelled).sum(1)
    ious = torch.where(union > 0, right / union.clamp_min(1), 1.0)
    return (
        ious.double().tolist(),
        right.tolist(),
        labelled.sum(1).tolist(),
    )


def _table(
    rows: dict[str, float], counts: dict[str, int], metrics: dict[str, float]
) -> str:
    """Lay out the IoU of the categories that occur, in percent."""
    table: list[list] = [['category', 'objects', 'mIoU']]
    table += [
        [name, counts[name], 100 * value]
        for name, value in rows.items()
        if counts[name]
    ]
    total = sum(counts.values())
    table.append(['objects', total, metrics['instance_miou']])
    table.append(['classes', total, metrics['class_miou']])
    return f'part segmentation per category\n{aligned(table)}'
