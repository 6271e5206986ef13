"""What metrics refuse, and whom they name."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from mmengine.evaluator import BaseMetric

from mmdet3d_act.evaluation import (
    ClassificationMetric,
    DistillationLossMetric,
    LinearProbeMetric,
    PartSegMetric,
    PublishedIndoorMetric,
    ReconstructionMetric,
    RetrievalMetric,
    SemanticSegMetric,
    ZeroShotMetric,
)
from mmdet3d_act.students import STUDENT_WEIGHTS, STUDENTS
from tests.test_evaluation import test_detection_metric, test_part_seg_metric

CLOUD = torch.zeros(4, 3)
MASK = dict(pts_semantic_mask=torch.tensor([0, 1]))
DETECTION = test_detection_metric.SAMPLES[0]
PART = test_part_seg_metric.sample([0], [0], 'Cap')
COMPLETE = {
    ClassificationMetric: dict(gt_label=1, pred_label=1),
    DistillationLossMetric: dict(pred_losses={'a.loss': 1.0}),
    LinearProbeMetric: dict(
        pred_feats=dict(max=torch.ones(2)), gt_label=0, split='train'
    ),
    PartSegMetric: PART,
    PublishedIndoorMetric: {
        key: DETECTION[key] for key in ('pred_instances_3d', 'eval_ann_info')
    },
    ReconstructionMetric: dict(
        pred_fine=CLOUD, pred_coarse=CLOUD, eval_points=CLOUD
    ),
    RetrievalMetric: dict(pred_targets=dict(a=(torch.ones(2),) * 2)),
    SemanticSegMetric: dict(pred_pts_seg=MASK, gt_pts_seg=MASK),
    ZeroShotMetric: dict(pred_vectors=dict(a=torch.ones(2)), gt_label=1),
}
# A head without the mug's part, a class that the data set does not have.
SHORT = test_part_seg_metric.sample([0], [5], 'Mug')
SHORT['pts_seg_logits'] = {
    key: logits[:5] for key, logits in SHORT['pts_seg_logits'].items()
}
UNKNOWN = test_detection_metric.sample([0], [0], [(0.0, 3, 0.9)])
OPTIONAL = ('shape_category', 'sample_idx', 'lidar_path')
FIELDS = [
    (kind, key)
    for kind, sample in COMPLETE.items()
    for key in sample
    if key not in OPTIONAL
]


def made(kind: Callable, **options: object) -> BaseMetric:
    if kind is ZeroShotMetric:
        weights = STUDENTS / 'act-mini' / STUDENT_WEIGHTS
        options = dict(texts=str(weights)) | options
    metric = kind(**options)
    metric.dataset_meta = dict(
        classes=('cap', 'mug', 'sofa'),
        category_parts=test_part_seg_metric.PARTS,
    )
    return metric


@pytest.mark.parametrize(('kind', 'key'), FIELDS)
def test_a_sample_without_a_field_is_named(kind: Callable, key: str) -> None:
    complete = COMPLETE[kind]
    made(kind).process(None, [complete])
    broken = {name: complete[name] for name in complete if name != key}
    broken['sample_idx'] = 77
    field = 'gt_instances_3d' if kind is PublishedIndoorMetric else key
    if key == 'pred_instances_3d':
        field = key
    with pytest.raises(ValueError, match=f'sample 77 has no {field}'):
        made(kind).process(None, [broken])


@pytest.mark.parametrize(
    ('kind', 'changes', 'offender'),
    [
        (LinearProbeMetric, dict(split='training'), 'training'),
        (
            LinearProbeMetric,
            dict(pred_feats=dict(max=torch.full((2,), math.nan))),
            'not finite',
        ),
        (PartSegMetric, SHORT, 'Mug'),
        (PublishedIndoorMetric, UNKNOWN, 'detection of class 3'),
        (PartSegMetric, dict(shape_category='Boat'), 'Boat'),
        (ReconstructionMetric, dict(pred_fine=CLOUD * math.nan), 'pred_fine'),
        (
            RetrievalMetric,
            dict(pred_targets=dict(a=(torch.full((4,), math.nan),) * 2)),
            'finite',
        ),
        (
            SemanticSegMetric,
            dict(gt_pts_seg=dict(pts_semantic_mask=torch.tensor([0, 4]))),
            'labels.*4',
        ),
        (
            SemanticSegMetric,
            dict(pred_pts_seg=dict(pts_semantic_mask=torch.tensor([-1, 0]))),
            'predictions.*-1',
        ),
        (
            SemanticSegMetric,
            dict(gt_pts_seg=dict(pts_semantic_mask=torch.tensor([0]))),
            '1.* labels for 2',
        ),
    ],
)
def test_values_that_are_none_are_named(
    kind: Callable, changes: dict, offender: str
) -> None:
    with pytest.raises(ValueError, match=offender):
        made(kind).process(None, [COMPLETE[kind] | changes])


@pytest.mark.parametrize(
    ('kind', 'options', 'offender'),
    [
        (LinearProbeMetric, dict(pooling=('max', 'sum')), 'sum'),
        (LinearProbeMetric, dict(C='auto'), 'auto'),
        (ReconstructionMetric, dict(target='points'), 'points'),
    ],
)
def test_wrong_options_are_refused(
    kind: Callable, options: dict, offender: str
) -> None:
    with pytest.raises(ValueError, match=offender):
        kind(**options)


def probe(split: str, label: int) -> tuple:
    return split, label, np.ones(2)


@pytest.mark.parametrize(
    ('results', 'offender'),
    [
        ([probe('test', 0)], 'train'),
        ([probe('train', 0), probe('train', 1)], 'test'),
        ([probe('train', 3), probe('val', 3)], 'class 3'),
    ],
)
def test_probes_need_both_parts_and_two_classes(
    results: list, offender: str
) -> None:
    with pytest.raises(ValueError, match=offender):
        LinearProbeMetric('max').compute_metrics(results)
