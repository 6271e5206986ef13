"""Losses on held-out data are averaged over samples."""

from __future__ import annotations

from mmdet3d_act.evaluation import DistillationLossMetric
from mmdet3d_act.registry import METRICS


def test_mean_over_samples() -> None:
    metric = METRICS.build(dict(type='DistillationLossMetric'))
    assert isinstance(metric, DistillationLossMetric)
    first = [dict(pred_losses={'a.loss': 1.0, 'b.loss': 4.0})] * 3
    # The last batch is smaller and counts for less.
    metric.process(None, first)
    metric.process(None, [dict(pred_losses={'a.loss': 5.0})])
    assert metric.evaluate(size=4) == {'a.loss': 2.0, 'b.loss': 4.0}
