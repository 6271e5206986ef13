"""How often texts find their cloud, and clouds their text; a metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from mmdet3d_act.datasets.readers.arrays import read_vectors
from mmdet3d_act.evaluation.retrieval_metric import (
    finite_vector,
    recall_at,
    retrieval_ranks,
    unit_rows,
)
from mmdet3d_act.registry import METRICS


@METRICS.register_module()
class TextRetrievalMetric(BaseMetric):
    """Recall of texts that look for their cloud, and clouds for their text.

    For `ObjectRenders`. Each object has one vector of each kind: the mean of
    its texts. The mean of all texts of the file is subtracted. Results:
    ``text/query_to_shape_recall_1``, ``text/shape_to_query_median_rank``, and
    so on for each kind, ``text/chance_1``, ...

    Args:
        texts: An ``.npz`` file of `ObjectRenders`, with vectors of texts.
        kinds: Which: ``'query'``, ``'caption'``.
        topk: Numbers of entries that are looked at.
        **options: See MMEngine's `BaseMetric`.
    """

    default_prefix = 'text'

    def __init__(
        self,
        texts: str,
        kinds: Sequence[str] = ('query', 'caption'),
        topk: Sequence[int] = (1, 5, 10),
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.texts = texts
        self.kinds = tuple(kinds)
        self.topk = tuple(topk)

    def process(
        self, data_batch: object, data_samples: Sequence[dict]
    ) -> None:
        """Keep the prediction and the name of each sample.

        Args:
            data_batch: Not used.
            data_samples: Each with ``pred_vectors`` and ``pair_key``.
        """
        for sample in data_samples:
            (vector,) = sample['pred_vectors'].values()
            name = sample['pair_key'].partition('/')[0]
            self.results.append((finite_vector(vector), name))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute the recalls.

        Args:
            results: Vectors and names of all objects.
        """
        vectors = np.stack([vector for vector, _ in results])
        metrics = {}
        for kind in self.kinds:
            of_object: dict[str, list] = {}
            for key, row in read_vectors(self.texts, kind).items():
                of_object.setdefault(key.partition('/')[0], []).append(row)
            means = {
                k: unit_rows(v).mean(axis=0) for k, v in of_object.items()
            }
            center = unit_rows(np.stack([*means.values()])).mean(axis=0)
            texts = np.stack([means[name] for _, name in results])
            apart = unit_rows(texts) - center
            for name, ranks in (
                (f'{kind}_to_shape', retrieval_ranks(apart, vectors)),
                (f'shape_to_{kind}', retrieval_ranks(vectors, apart)),
            ):
                for first in self.topk:
                    found = recall_at(ranks, first)
                    metrics[f'{name}_recall_{first}'] = found
                metrics[f'{name}_median_rank'] = float(np.median(ranks))
        for first in self.topk:
            share = min(first, len(results)) / len(results)
            metrics[f'chance_{first}'] = 100.0 * share
        return metrics


def teacher_records(texts: str, folds: Sequence[Sequence[str]]) -> list[dict]:
    """Measure the vectors of the renders themselves, as runs are recorded.

    What a student can reach at most: it predicts them. Their mean is
    subtracted, as of the targets.

    Args:
        texts: An ``.npz`` file of `ObjectRenders`, with vectors of renders.
        folds: Names of the held-out pairs of each.
    """
    rows = read_vectors(texts, 'image')
    units = dict(zip(rows, unit_rows(np.stack([*rows.values()])), strict=True))
    center = np.mean([*units.values()], axis=0)
    records = []
    for fold, keys in enumerate(folds):
        metric = TextRetrievalMetric(texts)
        for key in keys:
            vector = torch.from_numpy(units[key] - center)
            sample = dict(pair_key=key, pred_vectors=dict(image=vector))
            metric.process(None, [sample])
        found = dict(metrics=metric.evaluate(size=len(keys)))
        record = dict(row='teacher', seed=0, fold=fold, seconds=None)
        records.append(dict(record, validations=[found]))
    return records
