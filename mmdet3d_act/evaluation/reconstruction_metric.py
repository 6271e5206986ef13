"""How well an autoencoder gives back its input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from mmdet3d_act.evaluation.sample_fields import name_of, required
from mmdet3d_act.ops import chamfer_distance, f_score
from mmdet3d_act.registry import METRICS
from mmdet3d_act.text import aligned, check_choice, inform

TARGETS = ('eval_points', 'gt_patches')


@METRICS.register_module()
class ReconstructionMetric(BaseMetric):
    """Chamfer distances and F-score of reconstructed clouds.

    Each result is the mean over the clouds: ``chamfer_l1``, ``chamfer_l2``
    (times 1000) and ``f_score`` (0 to 1) of the dense output,
    ``coarse_chamfer_l1``, ``coarse_chamfer_l2`` and ``coarse_f_score`` of the
    coarse one. A table with a row per category is logged where samples say
    their ``category``. Chamfer-L1 is half the sum of both mean distances,
    Chamfer-L2 the sum of both mean squared distances.

    Args:
        threshold: Distance below which a point counts as met by the F-score;
            0.01 is 1 % of the unit sphere's radius.
        target: What to compare with: 'eval_points', the input cloud, as the
            published validation does, or 'gt_patches', the points of all
            patches (a point in two patches counts twice).
        per_category: Whether the results also have an entry per category,
            named ``chamfer_l1/chair``.
        **options: See MMEngine's `BaseMetric`.

    Example:
        >>> metric = ReconstructionMetric()
        >>> metric.process(None, samples)
        >>> metric.evaluate(size=len(samples))['chamfer_l1']

    Source: validation of ACT's stage I and of Point-BERT's autoencoder.
    """

    default_prefix = ''

    def __init__(
        self,
        threshold: float = 0.01,
        *,
        target: str = 'eval_points',
        per_category: bool = False,
        **options: object,
    ) -> None:
        super().__init__(**options)
        check_choice('target', target, TARGETS)
        self.threshold = threshold
        self.target = target
        self.per_category = per_category

    def process(
        self, data_batch: object, data_samples: Sequence[dict]
    ) -> None:
        """Compare each reconstruction with its target.

        Args:
            data_batch: Not used.
            data_samples: Each with ``pred_fine`` (G*K, 3), ``pred_coarse``
                (G*K/4, 3), the target (N, 3), all in the input's coordinates,
                and optionally ``category``.

        Raises:
            ValueError: If a cloud is absent or not finite.
        """
        for sample in data_samples:
            target = _cloud(sample, self.target)
            values = {}
            for prefix, key in (('', 'pred_fine'), ('coarse_', 'pred_coarse')):
                scores = self._compare(_cloud(sample, key), target)
                values.update({prefix + k: v for k, v in scores.items()})
            self.results.append((sample.get('category'), values))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Average over the clouds, and log the table of the categories.

        Args:
            results: (category, values by name) of all samples.

        Returns:
            Means by name.
        """
        groups: dict[str, list[dict]] = {}
        for category, values in results:
            if category is not None:
                groups.setdefault(str(category), []).append(values)
        overall = _mean([values for _, values in results])
        rows = {name: _mean(groups[name]) for name in sorted(groups)}
        if rows:
            counts = {name: len(groups[name]) for name in rows}
            rows_all = {**rows, 'all': overall}
            counts['all'] = len(results)
            inform(_table(rows_all, counts))
        metrics = dict(overall)
        if self.per_category:
            for name, row in rows.items():
                metrics.update({f'{k}/{name}': v for k, v in row.items()})
        return metrics

    def _compare(
        self, pred: torch.Tensor, target: torch.Tensor
    ) -> dict[str, float]:
        """Return the three measures of one cloud."""
        pred, target = pred[None], target[None].to(pred.device)
        chamfer = {
            f'chamfer_{norm}': 1000
            * float(chamfer_distance(pred, target, norm=norm))
            for norm in ('l1', 'l2')
        }
        score = f_score(pred, target, threshold=self.threshold)
        return {**chamfer, 'f_score': float(score)}


def _cloud(sample: dict, key: str) -> torch.Tensor:
    """Return the coordinates (N, 3) that a sample has under a key."""
    cloud = required(sample, key, "an autoencoder's predict adds it")
    cloud = cloud[:, :3].detach().float()
    if not torch.isfinite(cloud).all():
        raise ValueError(
            f'{key} of sample {name_of(sample)} is not finite; the training '
            'has diverged: lower the learning rate'
        )
    return cloud


def _mean(values: list[dict]) -> dict[str, float]:
    return {
        key: float(np.mean([row[key] for row in values])) for key in values[0]
    }


def _table(rows: dict[str, dict], counts: dict[str, int]) -> str:
    """Return the rows as text; Chamfer distances are times 1000."""
    table = [['category', 'clouds', *next(iter(rows.values()))]]
    table += [[n, counts[n], *row.values()] for n, row in rows.items()]
    return f'reconstruction per category\n{aligned(table, digits=4)}'
