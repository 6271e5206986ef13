"""What evaluators say that they will give is what they give."""

from __future__ import annotations

import numpy as np
import pytest
from mmengine.evaluator import BaseMetric
from mmengine.registry import init_default_scope

from mmdet3d_act.evaluation import (
    ClassificationMetric,
    LinearProbeMetric,
    PartSegMetric,
    PresentIndoorMetric,
    PublishedIndoorMetric,
    RetrievalMetric,
    SemanticSegMetric,
)
from mmdet3d_act.evaluation.metric_names import result_names, unknown_names
from tests.test_evaluation import (
    test_detection_metric,
    test_linear_probe_metric,
    test_part_seg_metric,
)

PAIR = (np.eye(2)[0], np.eye(2)[1])
BOXES = dict(classes=test_detection_metric.CLASSES, box_type_3d='Depth')
FOUND = test_detection_metric.SAMPLES
LINES = [
    *test_linear_probe_metric.TRAIN,
    *test_linear_probe_metric.line('test', (-3, 0), (3, 1)),
]
OBJECTS = test_part_seg_metric.SAMPLES
PARTS = dict(category_parts=test_part_seg_metric.PARTS)


@pytest.fixture(autouse=True)
def scope() -> None:
    init_default_scope('mmdet3d')


def check(metric: BaseMetric, samples: list, meta: dict | None = None) -> None:
    """Every result was foretold, and what was foretold is there."""
    metric.dataset_meta = meta
    metric.process({}, samples)
    prefix = f'{metric.prefix}/' if metric.prefix else ''
    found = metric.evaluate(len(samples))
    found = [name.removeprefix(prefix) for name in found]
    told = metric.result_names
    assert unknown_names(found, told) == []
    for pattern in told:
        assert len(unknown_names(found, [pattern])) < len(found), pattern


@pytest.mark.parametrize('each', [False, True])
def test_foretold_results(each: bool) -> None:
    labels = [dict(gt_label=0, pred_label=0), dict(gt_label=1, pred_label=0)]
    classes = dict(classes=('cup', 'bowl'))
    check(ClassificationMetric(per_class=each), labels, classes)
    check(PublishedIndoorMetric(0.25, per_class=each), FOUND, BOXES)
    check(PartSegMetric(per_category=each), OBJECTS, PARTS)
    check(PresentIndoorMetric(), FOUND, BOXES)


def test_foretold_results_of_segmentation() -> None:
    counts = (np.array([[3, 1], [0, 2]]), 6)
    for each in (False, True):
        metric = SemanticSegMetric(per_class=each)
        metric.dataset_meta = dict(classes=('wall', 'floor'))
        found = metric.compute_metrics([counts])
        assert unknown_names(found, metric.result_names) == []
        assert unknown_names(['iou/wall'], metric.result_names) == [
            'iou/wall'
        ] * (not each)


@pytest.mark.parametrize(
    'options',
    [{}, dict(knn=1), dict(labels_per_class=2), dict(C='cv', folds=2)],
)
def test_foretold_results_of_probes(options: dict) -> None:
    check(LinearProbeMetric('max', **{'C': 1.0, **options}), LINES)


def test_foretold_results_of_retrieval() -> None:
    metric = RetrievalMetric((1, 2))
    for results in ([dict(a=PAIR)] * 2, [dict(a=PAIR, b=PAIR)] * 2):
        found = metric.compute_metrics(results)
        assert unknown_names(found, metric.result_names) == []
    assert unknown_names(['recall_5'], metric.result_names) == ['recall_5']


def test_names_of_configs() -> None:
    accuracy = dict(type='ClassificationMetric')
    names = ['overall_accuracy', 'mean_class_accuracy']
    assert result_names(accuracy) == names
    both = [accuracy, dict(type='RetrievalMetric', topk=(1,), prefix='own')]
    want = ['recall_1', 'median_rank', '*_recall_1', '*_median_rank']
    want = names + [f'own/{name}' for name in (*want, 'chance_1')]
    assert result_names(both) == want
    assert result_names(dict(type='Evaluator', metrics=both)) == want


@pytest.mark.parametrize('kind', ['DistillationLossMetric', 'NobodyKnowsIt'])
def test_some_cannot_say(kind: str) -> None:
    each = [dict(type='ClassificationMetric'), dict(type=kind)]
    assert result_names(each) is None


def test_unknown_names() -> None:
    known = ['accuracy', 'iou/*']
    assert unknown_names(['accuracy', 'iou/wall'], known) == []
    assert unknown_names(['iou', 'accuracies'], known) == ['iou', 'accuracies']
