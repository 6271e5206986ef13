"""How well the objects of scenes are found."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmdet3d_act.evaluation import PublishedIndoorMetric
from mmdet3d_act.registry import METRICS, depth_boxes

pytest.importorskip('mmdet3d')

CLASSES = ('bed', 'chair', 'sofa')
PLACES = torch.tensor(
    [[0.0, 0, 0, 1, 1, 1], [5, 0, 0, 1, 1, 1], [9, 0, 0, 1, 1, 1]]
)


def sample(
    boxes: list[int],
    labels: list[int],
    found: list[tuple[float, int, float]],
) -> dict:
    """Return a scene; found are (place, label, score)."""
    detected = PLACES[0].repeat(len(found), 1)
    detected[:, 0] = torch.tensor([one[0] for one in found])
    return dict(
        sample_idx=7,
        eval_ann_info=dict(
            gt_bboxes_3d=depth_boxes(PLACES[boxes]),
            gt_labels_3d=np.array(labels, dtype=np.int64),
        ),
        pred_instances_3d=dict(
            bboxes_3d=depth_boxes(detected),
            labels_3d=torch.tensor([one[1] for one in found]).long(),
            scores_3d=torch.tensor([one[2] for one in found]),
        ),
    )


# Of two beds one is found, and the chair well enough for 0.25 only.
SAMPLES = [
    sample([0, 1], [0, 0], [(0.1, 0, 0.9), (9.0, 0, 0.8)]),
    sample([2], [1], [(9.5, 1, 0.9)]),
]
SOFA = sample([0], [0], [(0.0, 0, 0.9), (0.0, 2, 0.7)])


def evaluated(metric: object, samples: list[dict]) -> dict:
    metric.dataset_meta = dict(classes=CLASSES, box_type_3d='Depth')
    metric.process({}, samples)
    return metric.evaluate(len(samples))


def test_worked_by_hand() -> None:
    metric = METRICS.build(dict(type='PublishedIndoorMetric'))
    assert type(metric) is PublishedIndoorMetric
    found = evaluated(metric, SAMPLES)
    expected = {
        'mAP_0.25': (0.5 + 1) / 2,
        'mAR_0.25': (0.5 + 1) / 2,
        'mAP_0.50': 0.25,
        'mAR_0.50': 0.25,
        'bed_AP_0.25': 0.5,
        'chair_rec_0.25': 1,
        'chair_AP_0.50': 0,
    }
    for name, value in expected.items():
        assert found[f'published/{name}'] == pytest.approx(value), name
    for name in ('mAP_0.25', 'mAR_0.50'):
        key = f'published/{name}'
        assert found[f'{key}_present'] == pytest.approx(found[key])
    assert not any('sofa' in name for name in found)


def test_detected_class_that_does_not_occur() -> None:
    found = evaluated(PublishedIndoorMetric(0.25), [SOFA])
    assert found['published/mAP_0.25'] == 0.5
    assert found['published/mAP_0.25_present'] == 1
    assert found['published/sofa_AP_0.25'] == 0
    assert 'published/mAP_0.50' not in found


def test_annotations_of_training_samples() -> None:
    one = dict(SAMPLES[0])
    known = one.pop('eval_ann_info')
    one['gt_instances_3d'] = dict(
        bboxes_3d=known['gt_bboxes_3d'],
        labels_3d=torch.from_numpy(known['gt_labels_3d']),
    )
    found = evaluated(PublishedIndoorMetric(), [one])
    assert found['published/mAP_0.25'] == 0.5


def scene(rng: np.random.Generator, num_true: int, num_found: int) -> dict:
    """Return a scene of turned boxes, each found as three classes.

    Class 2 never occurs, class 1 is never detected.
    """
    true = rng.uniform(0.4, 2, (num_true, 7)).astype(np.float32)
    found = rng.uniform(0.4, 2, (num_found, 7)).astype(np.float32)
    if num_true:
        near = true[rng.integers(0, num_true, num_found)]
        found = near + rng.normal(0, 0.12, near.shape).astype(np.float32)
    rows = rng.permutation(np.arange(num_found).repeat(3))
    return dict(
        eval_ann_info=dict(
            gt_bboxes_3d=depth_boxes(torch.from_numpy(true), turned=True),
            gt_labels_3d=rng.integers(0, 2, num_true),
        ),
        pred_instances_3d=dict(
            bboxes_3d=depth_boxes(torch.from_numpy(found[rows]), turned=True),
            labels_3d=torch.from_numpy(rng.choice([0, 2], len(rows))),
            scores_3d=torch.from_numpy(rng.random(len(rows))),
        ),
    )


def test_every_number_is_that_of_mmdet3d() -> None:
    rng = np.random.default_rng(0)
    sizes = [(4, 9), (0, 3), (5, 0), (0, 0), (60, 90), (1, 5)]
    samples = [scene(rng, *size) for size in sizes]
    ours, theirs = (
        evaluated(METRICS.build(dict(type=kind)), samples)
        for kind in ('PresentIndoorMetric', 'IndoorMetric')
    )
    assert set(theirs) < set(ours)
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=1e-6, nan_ok=True), name
    assert np.isnan(ours['mAP_0.25'])
    assert 0 < ours['mAP_0.50_present'] < ours['mAP_0.25_present'] < 1
