"""MMDetection3D's average precision, number by number."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mmdet3d_act.evaluation.indoor_average_precision import indoor_scores
from mmdet3d_act.registry import METRICS, depth_boxes

pytest.importorskip('mmdet3d')

from mmdet3d.structures import Box3DMode

# As many as ScanNet has: sums of many numbers are added in another order.
CLASSES = tuple(f'class {number}' for number in range(18))
FOUND = (*range(16), 17)
# Thresholds that are no sums of powers of two are rounded alike too.
THRESHOLDS = [0.25, 0.3, 0.5]


def scene(
    rng: np.random.Generator, num_true: int, num_found: int, turned: bool
) -> dict:
    """Return a scene in which every box is detected as several classes."""
    width = 7 if turned else 6
    true = rng.uniform(0.4, 2, (num_true, width)).astype(np.float32)
    found = rng.uniform(0.4, 2, (num_found, width)).astype(np.float32)
    if num_true:
        near = true[rng.integers(0, num_true, num_found)]
        found = near + rng.normal(0, 0.12, near.shape).astype(np.float32)
        found[:, 3:6] = found[:, 3:6].clip(0)
    rows = rng.permutation(np.arange(num_found).repeat(3))
    # The last class never occurs, that before is never detected.
    labels = rng.choice(FOUND, len(rows))
    # Few values, so that many are equal.
    scores = (rng.integers(0, 12, len(rows)) / 12).astype(np.float32)
    return dict(
        eval_ann_info=dict(
            gt_bboxes_3d=depth_boxes(torch.from_numpy(true), turned=turned),
            gt_labels_3d=rng.integers(0, 17, num_true),
        ),
        pred_instances_3d=dict(
            bboxes_3d=depth_boxes(
                torch.from_numpy(found[rows]), turned=turned
            ),
            labels_3d=torch.from_numpy(labels),
            scores_3d=torch.from_numpy(scores),
        ),
    )


def evaluated(kind: str, samples: list[dict]) -> dict[str, float]:
    metric = METRICS.build(dict(type=f'mmdet3d.{kind}', iou_thr=THRESHOLDS))
    metric.dataset_meta = dict(classes=CLASSES, box_type_3d='Depth')
    metric.process({}, samples)
    return metric.evaluate(len(samples))


@pytest.mark.parametrize('turned', [False, True])
@pytest.mark.parametrize('seed', range(3))
def test_every_number_is_mmdet3ds(seed: int, turned: bool) -> None:
    rng = np.random.default_rng(seed)
    sizes = [(4, 9), (0, 3), (5, 0), (0, 0), (60, 90), (1, 5)]
    samples = [scene(rng, *size, turned) for size in sizes]
    ours = evaluated('PresentIndoorMetric', samples)
    theirs = evaluated('IndoorMetric', samples)
    assert set(theirs) < set(ours)
    for name, value in theirs.items():
        same = ours[name] == value
        assert same or (math.isnan(value) and math.isnan(ours[name])), name
    assert math.isnan(ours['mAP_0.25'])
    assert 0 < ours['mAP_0.25_present'] < 1
    assert ours['mAP_0.50_present'] < ours['mAP_0.25_present']
    assert math.isnan(ours['class 17_AP_0.25'])


def test_classes_come_in_the_order_of_their_appearance() -> None:
    """The last bit of a mean depends on it."""
    rng = np.random.default_rng(1)
    samples = [scene(rng, 3, 4, False) for _ in range(2)]
    for sample, found, true in zip(
        samples, ([4, 2], [6, 2]), ([5, 4, 2], [0, 1, 5]), strict=True
    ):
        labels = torch.tensor(found).repeat(6)
        sample['pred_instances_3d']['labels_3d'] = labels
        sample['eval_ann_info']['gt_labels_3d'] = np.array(true)
    results = [
        (one['eval_ann_info'], one['pred_instances_3d']) for one in samples
    ]
    (scores,) = indoor_scores(results, [0.25], Box3DMode.DEPTH)
    assert list(scores.ap) == list(scores.recall) == [4, 2, 5, 6, 0, 1]
