"""How well predicted vectors of clouds agree with those of their names.

Letters: S clouds, T texts, D numbers of a vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from mmdet3d_act.checkpoint import read_weights
from mmdet3d_act.evaluation.retrieval_metric import (
    finite_vector,
    recall_at,
    unit_rows,
)
from mmdet3d_act.evaluation.sample_fields import class_names, required
from mmdet3d_act.registry import METRICS


def text_key(text: str) -> str:
    """Fold what does not tell texts apart: their case and blanks."""
    return ' '.join(text.split()).casefold()


def text_likeness(
    vectors: np.ndarray, texts: np.ndarray, center: np.ndarray | None = None
) -> np.ndarray:
    """Compare clouds with texts by the cosine, (S, T).

    Texts of an image-text model lie close together and apart from its images;
    what tells them from each other is what is left without their mean.

    Args:
        vectors: Predicted of clouds, (S, D).
        texts: Vectors of texts, (T, D), of any length.
        center: What is subtracted from texts of length 1, (D,); None: the
            mean of these, or nothing of a single one.
    """
    texts = unit_rows(texts)
    if center is None and len(texts) > 1:
        center = texts.mean(axis=0)
    apart = texts if center is None else texts - center
    return unit_rows(vectors) @ unit_rows(apart).T


@METRICS.register_module()
class ZeroShotMetric(BaseMetric):
    """Accuracy of naming clouds by vectors of their classes' names.

    No label is learned from: the class is the text whose vector is most like
    the one that is predicted of the cloud. Results, in percent:
    ``zero_shot_top1``, ``zero_shot_top5`` (as ``topk`` says), and what
    guessing reaches, ``zero_shot_chance1``, ...

    Args:
        texts: A file with a vector (D,) for each class name, ``.safetensors``
            or ``.npz``: ``texts.safetensors`` of a student (docs/concept.md).
        topk: Numbers of classes that are looked at.
        **options: See MMEngine's `BaseMetric`.
    """

    default_prefix = ''

    def __init__(
        self, texts: str, topk: Sequence[int] = (1, 5), **options: Any
    ) -> None:
        super().__init__(**options)
        self.texts = texts
        found = read_weights(texts)
        self.known = {text_key(k): v.float() for k, v in found.items()}
        self.topk = tuple(topk)

    def process(
        self, data_batch: object, data_samples: Sequence[dict]
    ) -> None:
        """Keep the prediction and the label of each sample.

        Args:
            data_batch: Not used.
            data_samples: Each with ``pred_vectors``, of which the first
                objective's is taken, (D,), and ``gt_label``.

        Raises:
            ValueError: If one of them is absent, or not finite.
        """
        remedy = (
            "give the Distiller predicts=('vectors',) and an objective with "
            'an AlignmentHead'
        )
        for sample in data_samples:
            found = required(sample, 'pred_vectors', remedy)
            label = required(sample, 'gt_label', 'the data set has no labels')
            vector = finite_vector(next(iter(found.values())))
            self.results.append((vector, int(label)))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute the accuracies.

        Args:
            results: Vectors and labels of all samples.

        Raises:
            ValueError: If a class has no vector, or one of another width.
        """
        classes = list(class_names(self))
        missing = [one for one in classes if text_key(one) not in self.known]
        if missing:
            raise ValueError(
                f'{self.texts} has no vector of {", ".join(missing)}, only of '
                f'{", ".join([*self.known][:8])}; add them (docs/concept.md)'
            )
        vectors, labels = zip(*results, strict=True)
        texts = [self.known[text_key(name)] for name in classes]
        for name, text in zip(classes, texts, strict=True):
            if text.shape != vectors[0].shape:
                raise ValueError(
                    f'{self.texts}: the vector of {name!r} has shape '
                    f'{tuple(text.shape)}, predictions {vectors[0].shape}'
                )
        likeness = text_likeness(np.stack(vectors), np.stack(texts))
        own = likeness[np.arange(len(labels)), list(labels)]
        # Ties count as misses.
        ranks = (likeness >= own[:, None]).sum(axis=1)
        metrics = {}
        for first in self.topk:
            share = min(first, len(classes)) / len(classes)
            metrics[f'zero_shot_top{first}'] = recall_at(ranks, first)
            metrics[f'zero_shot_chance{first}'] = 100.0 * share
        return metrics
