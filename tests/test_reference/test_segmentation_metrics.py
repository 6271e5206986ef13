"""Metrics of part and semantic segmentation equal the published ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement

from mmdet3d_act.evaluation import PartSegMetric, SemanticSegMetric
from mmdet3d_act.models.heads import SemanticSegHead
from mmdet3d_act.registry import point_data
from tests.test_reference.harness import Reference, fixture_params

COVERS = ('metric_partseg', 'metric_semseg')
BATCH_SIZE = 4  # of the loss in 'metric_semseg'


def samples(arrays: dict[str, np.ndarray]) -> list[dict]:
    """Return data samples as metrics get them."""
    logits = torch.from_numpy(arrays['logits']).transpose(1, 2)  # (S, C, N)
    targets = torch.from_numpy(arrays['target']).long()
    return [
        dict(
            pts_seg_logits=dict(pts_seg_logits=own),
            pred_pts_seg=dict(pts_semantic_mask=own.argmax(0)),
            gt_pts_seg=dict(pts_semantic_mask=target),
        )
        for own, target in zip(logits, targets, strict=True)
    ]


@pytest.mark.parametrize('named', [False, True])
@pytest.mark.parametrize('name', fixture_params('metric_partseg'))
def test_part_segmentation(
    reference: Reference, name: str, named: bool
) -> None:
    """By the category's name, and by the first label as published."""
    arrays, meta = reference.load(name)
    metric = PartSegMetric(per_category=True, published_means=True)
    metric.dataset_meta = dict(category_parts=meta['parts'])
    data = samples(arrays)
    for sample, index in zip(data, arrays['shape_class'], strict=True):
        if named:
            sample['shape_category'] = meta['categories'][index]
    metric.process(None, data)
    found = metric.evaluate(len(data))
    categories = [
        found.get(f'miou/{category}', np.nan)
        for category in meta['categories']
    ]
    reference.assert_all(
        name,
        {
            'category_iou': np.array(categories) / 100,
            'class_avg_iou': found['class_miou'] / 100,
            'instance_avg_iou': found['instance_miou'] / 100,
            'accuracy': found['accuracy'] / 100,
            'class_avg_accuracy': found['mean_part_accuracy'] / 100,
        },
    )


@pytest.mark.parametrize('name', fixture_params('metric_semseg'))
def test_semantic_segmentation(reference: Reference, name: str) -> None:
    arrays, _ = reference.load(name)
    size = arrays['logits'].shape[-1]
    classes = tuple(f'class {index}' for index in range(size))
    metric = SemanticSegMetric(per_class=True, published_batch_size=BATCH_SIZE)
    metric.dataset_meta = dict(classes=classes)
    data = samples(arrays)
    metric.process(None, data)
    found = metric.evaluate(len(data))
    reference.assert_all(
        name,
        {
            'iou_per_class': np.array(
                [found[f'iou/{label}'] / 100 for label in classes]
            ),
            'miou': found['miou'] / 100,
            'overall_accuracy': found['overall_accuracy'] / 100,
            'mean_class_accuracy': found['mean_class_accuracy'] / 100,
            'mean_loss': mean_loss(arrays, data),
        },
    )


def mean_loss(arrays: dict[str, np.ndarray], data: list[dict]) -> float:
    """Return the head's loss, averaged over the batches."""
    head = SemanticSegHead(
        arrays['logits'].shape[-1],
        in_channels=8,
        propagation_channels=(8,),
        channels=(8, 8),
        class_weight=arrays['class_weight'],
    )
    losses = []
    for start in range(0, len(data), BATCH_SIZE):
        batch = data[start : start + BATCH_SIZE]
        logits = torch.stack(
            [one['pts_seg_logits']['pts_seg_logits'] for one in batch]
        )
        targets = [
            BaseDataElement(gt_pts_seg=point_data(**one['gt_pts_seg']))
            for one in batch
        ]
        losses.append(head.loss_by_feat(logits, targets)['loss_sem_seg'])
    return float(torch.stack(losses).double().mean())
