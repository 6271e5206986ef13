"""How well clouds find their own images among all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from torch import Tensor

from mmdet3d_act.evaluation.sample_fields import required
from mmdet3d_act.registry import METRICS

ROWS_AT_ONCE = 256


def retrieval_ranks(queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Compute the rank of each query's own entry of the gallery, from 1.

    Nearest by the cosine. Entries as near as the own one count as nearer: so
    predictions without a direction (zeros) find nothing, and predictions that
    are all alike reach exactly what guessing does: their ranks are 1 to S.

    Args:
        queries: (S, D).
        gallery: (S, D); row i belongs to query i.

    Returns:
        int64 (S,).
    """
    queries, gallery = unit_rows(queries), unit_rows(gallery)
    ranks = np.empty(len(queries), dtype=np.int64)
    for start in range(0, len(queries), ROWS_AT_ONCE):
        part = queries[start : start + ROWS_AT_ONCE]
        score = part @ gallery.T
        rows = np.arange(len(part))
        own = score[rows, start + rows]
        ranks[start : start + ROWS_AT_ONCE] = (score >= own[:, None]).sum(1)
    return ranks


def recall_at(ranks: np.ndarray, first: int) -> float:
    """Compute how many ranks are among the first, in percent.

    Args:
        ranks: From :func:`retrieval_ranks`, (S,).
        first: Number of entries that are looked at.
    """
    return 100.0 * float((ranks <= first).mean())


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Scale vectors to length 1, (S, D), float64; zeros stay.

    Args:
        vectors: (S, D).
    """
    vectors = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-12)


@METRICS.register_module()
class RetrievalMetric(BaseMetric):
    """Recall of cloud-to-image retrieval, in percent.

    Every cloud's prediction looks for its own target among those of all
    clouds of the data set. Results for each objective: ``recall_1``,
    ``recall_5`` (as ``topk`` says), ``median_rank``, and ``chance_1``, ...:
    what guessing reaches. With several objectives their names stand before.

    Args:
        topk: Numbers of entries that are looked at.
        **options: See MMEngine's `BaseMetric`.

    Example:
        >>> metric = RetrievalMetric(topk=(1,))
        >>> pairs = [dict(concept=(row, row)) for row in torch.eye(3)]
        >>> metric.process(None, [dict(pred_targets=pair) for pair in pairs])
        >>> metric.evaluate(size=3)['recall_1']
        100.0
    """

    default_prefix = ''

    def __init__(
        self, topk: Sequence[int] = (1, 5), **options: object
    ) -> None:
        super().__init__(**options)
        self.topk = tuple(topk)

    def process(
        self, data_batch: object, data_samples: Sequence[dict]
    ) -> None:
        """Keep predictions and targets of each sample.

        Args:
            data_batch: Not used.
            data_samples: Each with ``pred_targets``, a dict of (prediction
                (D,), target (D,)) by objective.

        Raises:
            ValueError: If it is absent, or a prediction is not finite.
        """
        for sample in data_samples:
            pairs = required(
                sample,
                'pred_targets',
                "give the Distiller predicts=('targets',) and an objective "
                'with an AlignmentHead',
            )
            self.results.append(
                {
                    name: tuple(finite_vector(value) for value in pair)
                    for name, pair in pairs.items()
                }
            )

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute the recalls.

        Args:
            results: Predictions and targets of all samples, by objective.

        Returns:
            Percentages and the median rank by name.
        """
        metrics = {}
        names = list(results[0])
        for name in names:
            queries, gallery = (
                np.stack([pairs[name][part] for pairs in results])
                for part in (0, 1)
            )
            ranks = retrieval_ranks(queries, gallery)
            start = f'{name}_' if len(names) > 1 else ''
            for first in self.topk:
                metrics[f'{start}recall_{first}'] = recall_at(ranks, first)
            metrics[f'{start}median_rank'] = float(np.median(ranks))
        for first in self.topk:
            share = min(first, len(results)) / len(results)
            metrics[f'chance_{first}'] = 100.0 * share
        return metrics


def finite_vector(value: Tensor) -> np.ndarray:
    """Flatten a prediction or a target; refuse one that is not finite.

    Args:
        value: A tensor on any device.
    """
    vector = np.asarray(value.detach().float().cpu().numpy()).reshape(-1)
    if not np.isfinite(vector).all():
        raise ValueError(
            'predictions and targets must be finite, got '
            f'{int((~np.isfinite(vector)).sum())} of {vector.size} NaN or '
            'infinite; the training has diverged: lower the learning rate'
        )
    return vector
