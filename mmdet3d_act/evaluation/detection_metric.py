"""How well the objects of scenes are found.

Letters: S scenes, D detections of a scene, M true boxes of a scene.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from torch import Tensor

from mmdet3d_act.evaluation.average_precision import (
    ClassScores,
    SceneMatches,
    class_scores,
    match_scene,
)
from mmdet3d_act.evaluation.indoor_average_precision import indoor_scores
from mmdet3d_act.evaluation.sample_fields import (
    class_names,
    name_of,
    required,
)
from mmdet3d_act.registry import METRICS, gravity_boxes

PREDICTED = 'a detector predicts it'
ANNOTATED = 'set test_mode of the data set, and let the pipeline keep it'


@METRICS.register_module()
class PublishedIndoorMetric(BaseMetric):
    """Average precision and recall, as the papers on 3DETR report them.

    The same numbers as the published evaluation, see
    :func:`~mmdet3d_act.evaluation.average_precision.class_scores`. The means
    ``mAP_0.25`` and ``mAR_0.25`` are over the classes that occur or are
    detected, ``mAP_0.25_present`` and ``mAR_0.25_present`` over those that
    occur: on a few scenes, where most classes are absent, only the latter say
    how much is found. Values are shares of 1 with the names that
    MMDetection3D's `IndoorMetric` has, which makes the mean NaN where a class
    is detected that does not occur. A table with a row per class is logged.

    Args:
        iou_thr: Thresholds that the IoU must exceed.
        per_class: Whether the results also have entries per class, named
            ``chair_AP_0.25`` and ``chair_rec_0.25``.
        **options: See MMEngine's `BaseMetric`.

    Example:
        >>> PublishedIndoorMetric(iou_thr=0.25).iou_thr
        (0.25,)
    """

    default_prefix = 'published'

    def __init__(
        self,
        iou_thr: float | Sequence[float] = (0.25, 0.5),
        *,
        per_class: bool = True,
        **options: object,
    ) -> None:
        super().__init__(**options)
        if isinstance(iou_thr, int | float):
            iou_thr = (iou_thr,)
        self.iou_thr: tuple[float, ...] = tuple(iou_thr)
        self.per_class = per_class

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
        number = len(tuple(class_names(self)))
        for sample in data_samples:
            found = required(sample, 'pred_instances_3d', PREDICTED)
            truth = find_true_boxes(sample)
            if truth is None:
                required(sample, 'gt_instances_3d.bboxes_3d', ANNOTATED)
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
        columns = {}
        for threshold in self.iou_thr:
            scores = class_scores(scenes, len(names), threshold)
            columns[threshold] = scores
            for what, values in (('AP', scores.ap), ('AR', scores.recall)):
                key = f'm{what}_{threshold:.2f}'
                metrics[key] = mean_of_known(values)
                present = values[scores.num_boxes > 0]
                metrics[f'{key}_present'] = mean_of_known(present)
            if self.per_class:
                metrics.update(_by_class(names, scores, threshold))
        print_log(_table(names, columns, metrics), 'current')
        return metrics


@METRICS.register_module()
class PresentIndoorMetric(BaseMetric):
    """MMDetection3D's `IndoorMetric`, and means over the classes that occur.

    Beside its results are ``mAP_0.25_present`` and ``mAR_0.25_present``. The
    others are those that it computes, to the last bit, without its loops over
    boxes, see :mod:`~mmdet3d_act.evaluation.indoor_average_precision`;
    ``mAP_0.25`` is NaN where a class is detected that does not occur.

    Args:
        iou_thr: Thresholds that the IoU must exceed.
        **options: See MMEngine's `BaseMetric`.
    """

    default_prefix = ''

    def __init__(
        self,
        iou_thr: float | Sequence[float] = (0.25, 0.5),
        **options: object,
    ) -> None:
        super().__init__(**options)
        if isinstance(iou_thr, int | float):
            iou_thr = (iou_thr,)
        self.iou_thr = list(map(float, iou_thr))

    def process(
        self, data_batch: object, data_samples: Sequence[dict]
    ) -> None:
        """Keep predictions and true boxes, as `IndoorMetric` does.

        Args:
            data_batch: Not used.
            data_samples: Each with ``pred_instances_3d`` and
                ``eval_ann_info``.

        Raises:
            ValueError: If one is absent.
        """
        for sample in data_samples:
            truth = required(sample, 'eval_ann_info', ANNOTATED)
            found = {
                key: value.to('cpu') if hasattr(value, 'to') else value
                for key, value in required(
                    sample, 'pred_instances_3d', PREDICTED
                ).items()
            }
            self.results.append((truth, found))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute what `IndoorMetric` does and the means, and log a table.

        Args:
            results: True boxes and predictions of all scenes.

        Returns:
            Shares of 1 by name.
        """
        from mmdet3d.structures import get_box_type

        names = tuple(class_names(self))
        _, mode = get_box_type(self.dataset_meta.get('box_type_3d', 'depth'))
        present = sorted(
            {
                int(label)
                for truth, _ in results
                for label in truth['gt_labels_3d']
            }
        )
        metrics: dict[str, float] = {}
        every = indoor_scores(results, self.iou_thr, mode)
        for threshold, scores in zip(self.iou_thr, every, strict=True):
            for mean, short, values in (
                ('mAP', 'AP', scores.ap),
                ('mAR', 'rec', scores.recall),
            ):
                end = f'{threshold:.2f}'
                for label, value in values.items():
                    metrics[f'{names[label]}_{short}_{end}'] = float(value)
                whole = np.mean(list(values.values())) if values else np.nan
                metrics[f'{mean}_{end}'] = float(whole)
                metrics[f'{mean}_{end}_present'] = mean_of_known(
                    np.array([float(values[label]) for label in present])
                )
        print_log(_indoor_table(names, metrics, self.iou_thr), 'current')
        return metrics


def find_true_boxes(sample: dict) -> tuple[Tensor, Tensor] | None:
    """Return the true boxes of a sample, (M, 7), and their labels, (M,).

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


def mean_of_known(values: np.ndarray) -> float:
    """Return the mean of what is not NaN; NaN where nothing is.

    Args:
        values: (n,).
    """
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float('nan')


def _by_class(
    names: tuple[str, ...], scores: ClassScores, threshold: float
) -> dict[str, float]:
    """Return the entries of the classes that occur or are detected."""
    metrics = {}
    for name, ap, recall in zip(names, scores.ap, scores.recall, strict=True):
        if not np.isnan(ap):
            metrics[f'{name}_AP_{threshold:.2f}'] = float(ap)
            metrics[f'{name}_rec_{threshold:.2f}'] = float(recall)
    return metrics


def _table(
    names: tuple[str, ...],
    columns: dict[float, ClassScores],
    metrics: dict[str, float],
) -> str:
    """Return a row per class that occurs or is detected, in percent."""
    width = max(12, *(len(name) for name in names))
    head = [f'{"boxes":>8}{"detections":>12}']
    head += [f'{f"{w}_{t:.2f}":>10}' for t in columns for w in ('AP', 'AR')]
    lines = ['detection', f'{"class":<{width}}{"".join(head)}']
    first = next(iter(columns.values()))
    for index, name in enumerate(names):
        if np.isnan(first.ap[index]):
            continue
        cells = [
            f'{first.num_boxes[index]:>8}{first.num_detections[index]:>12}'
        ]
        for scores in columns.values():
            cells += [
                f'{100 * values[index]:>10.2f}'
                for values in (scores.ap, scores.recall)
            ]
        lines.append(f'{name:<{width}}{"".join(cells)}')
    for title, end in (('mean', ''), ('of present', '_present')):
        cells = [f'{first.num_boxes.sum():>8}{first.num_detections.sum():>12}']
        cells += [
            f'{100 * metrics[f"m{what}_{threshold:.2f}{end}"]:>10.2f}'
            for threshold in columns
            for what in ('AP', 'AR')
        ]
        lines.append(f'{title:<{width}}{"".join(cells)}')
    return '\n'.join(lines)


def _indoor_table(
    names: tuple[str, ...],
    metrics: dict[str, float],
    thresholds: Sequence[float],
) -> str:
    """Return a row per class, as MMDetection3D has it, in percent."""
    width = max(12, *(len(name) for name in names))
    ends = [f'{one:.2f}' for one in thresholds]
    head = ''.join(f'{f"{w}_{end}":>10}' for end in ends for w in ('AP', 'AR'))
    lines = ["as MMDetection3D's IndoorMetric", f'{"class":<{width}}{head}']
    rows = [(name, f'{name}_AP_', f'{name}_rec_', '') for name in names]
    rows += [('mean', 'mAP_', 'mAR_', '')]
    rows += [('of present', 'mAP_', 'mAR_', '_present')]
    for title, ap, recall, tail in rows:
        keys = [f'{w}{end}{tail}' for end in ends for w in (ap, recall)]
        if keys[0] in metrics:
            cells = ''.join(f'{100 * metrics[key]:>10.2f}' for key in keys)
            lines.append(f'{title:<{width}}{cells}')
    return '\n'.join(lines)
