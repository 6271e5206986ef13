"""Every result of a metric is one that ``save_best`` may name."""

from __future__ import annotations

import pytest
from mmengine.evaluator import BaseMetric

from mmdet3d_act.engine.hooks.save_best_hook import require_results


@pytest.fixture(autouse=True)
def _results_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate = BaseMetric.evaluate

    def evaluate_and_look(metric: BaseMetric, size: int) -> dict:
        found = evaluate(metric, size)
        require_results(found, [metric])
        return found

    monkeypatch.setattr(BaseMetric, 'evaluate', evaluate_and_look)
