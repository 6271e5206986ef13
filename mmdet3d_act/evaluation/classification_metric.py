"""Accuracy of classifiers, and which classes they mistake for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric

from mmdet3d_act.evaluation.sample_fields import required
from mmdet3d_act.registry import METRICS
from mmdet3d_act.text import aligned, inform

FOREIGN = '(another)'


@METRICS.register_module()
class ClassificationMetric(BaseMetric):
    """Overall and mean-class accuracy, in percent.

    ``overall_accuracy`` is the share of samples that are classified right,
    ``mean_class_accuracy`` the mean of the classes' own accuracies, over the
    classes that have samples. A table with a row for each class is logged.
    Afterwards ``confusion`` holds the counts, int64 (classes, classes), rows
    true and columns predicted, and ``classes`` their names;
    :class:`~mmdet3d_act.engine.hooks.ConfusionMatrixHook` writes them to
    files.

    Args:
        per_class: Whether the results also have an entry for each class with
            samples, named ``accuracy/chair``.
        allow_foreign: Whether a prediction may be none of the data set's
            classes, as of a head that is larger than they are many. It is
            wrong, and counted as the class ``FOREIGN``, the last one;
            otherwise it is an error.
        **options: See MMEngine's `BaseMetric`.

    Example:
        >>> metric = ClassificationMetric()
        >>> metric.process(None, samples)
        >>> metric.evaluate(size=len(samples))['overall_accuracy']

    Source: evaluation of ACT and Point-MAE (overall and balanced accuracy).
    """

    default_prefix = ''

    def __init__(
        self,
        *,
        per_class: bool = False,
        allow_foreign: bool = False,
        **options: object,
    ) -> None:
        super().__init__(**options)
        self.per_class = per_class
        self.allow_foreign = allow_foreign
        self.confusion: np.ndarray | None = None
        self.classes: tuple[str, ...] = ()

    def process(
        self, data_batch: object, data_samples: Sequence[dict]
    ) -> None:
        """Keep true and predicted class of each sample.

        Args:
            data_batch: Not used.
            data_samples: Each with ``gt_label`` and ``pred_label``, one class
                index each.

        Raises:
            ValueError: If one of them is absent.
        """
        for sample in data_samples:
            gt = required(sample, 'gt_label', 'the data set must have classes')
            pred = required(sample, 'pred_label', 'a classifier predicts it')
            self.results.append((int(gt), int(pred)))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Count, and log the table.

        Args:
            results: (true, predicted) class of all samples.

        Returns:
            Percentages by name.

        Raises:
            ValueError: If there are classes that the data set does not have.
        """
        pairs = np.array(results)
        self.classes = self._names(pairs)
        if self.allow_foreign:
            pairs[:, 1] = np.minimum(pairs[:, 1], len(self.classes) - 1)
        # Rows are true classes, columns predicted ones.
        number = len(self.classes)
        flat = pairs[:, 0] * number + pairs[:, 1]
        self.confusion = np.bincount(flat, minlength=number**2)
        self.confusion = self.confusion.reshape(number, number)
        counts = self.confusion.sum(1)
        right = np.diag(self.confusion)
        seen = np.flatnonzero(counts)
        recall = 100 * right[seen] / counts[seen]
        metrics = {
            'overall_accuracy': float(100 * right.sum() / counts.sum()),
            'mean_class_accuracy': float(recall.mean()),
        }
        self._log_table(seen, recall, metrics)
        if self.per_class:
            metrics |= {
                f'accuracy/{self.classes[index]}': float(value)
                for index, value in zip(seen, recall, strict=True)
            }
        return metrics

    def _names(self, pairs: np.ndarray) -> tuple[str, ...]:
        names = tuple((self.dataset_meta or {}).get('classes') or ())
        used = int(pairs.max()) + 1
        if not names:
            return tuple(str(index) for index in range(used))
        if self.allow_foreign:
            used = int(pairs[:, 0].max()) + 1
        if used > len(names):
            raise ValueError(
                f'the data set has {len(names)} classes, got the class index '
                f'{used - 1}; set num_classes of the head to the number of '
                'its classes'
            )
        return (*names, FOREIGN) if self.allow_foreign else names

    def _log_table(
        self, seen: np.ndarray, recall: np.ndarray, metrics: dict[str, float]
    ) -> None:
        counts, columns = self.confusion.sum(1), self.confusion.copy()
        np.fill_diagonal(columns, 0)
        rows: list[list] = [['class', 'samples', 'accuracy', 'often']]
        for index, value in zip(seen, recall, strict=True):
            wrong = columns[index].argmax()
            often = self.classes[wrong] if columns[index, wrong] else ''
            rows.append([self.classes[index], counts[index], value, often])
        rows.append(['all', counts.sum(), metrics['overall_accuracy'], ''])
        inform(
            'accuracy by class, and what else it is taken for most often:\n'
            + aligned(rows)
        )
