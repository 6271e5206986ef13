"""The losses of a pretraining on held-out data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric

from mmdet3d_act.evaluation.sample_fields import required
from mmdet3d_act.registry import METRICS


@METRICS.register_module()
class DistillationLossMetric(BaseMetric):
    """Mean of the losses and baselines of a ``Distiller``.

    The distiller gives them with ``predicts=('losses',)``. They are those of
    training, masks included, in evaluation mode.

    Args:
        **options: See MMEngine's `BaseMetric`.

    Example:
        >>> metric = DistillationLossMetric()
        >>> metric.process(None, [dict(pred_losses={'concept.loss': 2.0})])
        >>> metric.evaluate(size=1)
        {'concept.loss': 2.0}
    """

    default_prefix = ''

    def process(
        self, data_batch: object, data_samples: Sequence[dict]
    ) -> None:
        """Keep the losses of each sample's batch.

        Args:
            data_batch: Not used.
            data_samples: Each with ``pred_losses``, a dict of numbers.

        Raises:
            ValueError: If it is absent.
        """
        for sample in data_samples:
            losses = required(
                sample,
                'pred_losses',
                "give the Distiller predicts=('losses',)",
            )
            self.results.append(dict(losses))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Average over all samples.

        Args:
            results: Losses of all samples by name.

        Returns:
            Means by name.
        """
        names = dict.fromkeys(name for losses in results for name in losses)
        return {
            name: float(
                np.mean([losses[name] for losses in results if name in losses])
            )
            for name in names
        }
