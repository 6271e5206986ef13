"""What decides on the best checkpoint is a result of the validation."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from mmengine.hooks import CheckpointHook

from mmdet3d_act.engine.failures import UsageError
from mmdet3d_act.engine.hooks import SaveBestCheckHook
from mmdet3d_act.evaluation import ClassificationMetric, PublishedIndoorMetric
from mmdet3d_act.registry import METRICS


@pytest.mark.parametrize(
    ('save_best', 'known'),
    [
        ('overall_accuracy', True),
        ('accuracy/chair', True),
        ('published/mAP_0.25', True),
        ('auto', True),
        (['overall_accuracy', 'published/bed_AP_0.50'], True),
        ('mAP_0.25', False),
        ('overal_accuracy', False),
        (['overall_accuracy', 'published/mAP'], False),
    ],
)
def test_save_best(save_best: str | list, known: bool) -> None:
    metrics = [ClassificationMetric(), PublishedIndoorMetric()]
    rule = 'greater' if save_best != 'auto' else None
    runner = SimpleNamespace(
        val_loop=SimpleNamespace(evaluator=SimpleNamespace(metrics=metrics)),
        hooks=[CheckpointHook(save_best=save_best, rule=rule)],
    )
    if known:
        SaveBestCheckHook().before_train(runner)
        return
    name = save_best if isinstance(save_best, str) else save_best[-1]
    with pytest.raises(UsageError, match=f'{name}.*overall_accuracy'):
        SaveBestCheckHook().before_train(runner)


def test_metrics_of_others_may_give_any_name() -> None:
    from mmengine.evaluator import DumpResults

    metrics = [DumpResults('results.pkl')]
    runner = SimpleNamespace(
        val_loop=SimpleNamespace(evaluator=SimpleNamespace(metrics=metrics)),
        hooks=[CheckpointHook(save_best='own', rule='less')],
    )
    SaveBestCheckHook().before_train(runner)
    # Those of MMDetection3D are known.
    metrics[:] = [METRICS.build(dict(type='mmdet3d.IndoorMetric'))]
    with pytest.raises(UsageError, match='own'):
        SaveBestCheckHook().before_train(runner)
