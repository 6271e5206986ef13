"""Boxes, assignment, losses, detections and AP equal the published ones."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmdet3d_act.evaluation import PublishedIndoorMetric
from mmdet3d_act.models.losses import (
    DetectionTargets,
    center_distances,
    pair_giou,
    upright_boxes,
)
from mmdet3d_act.models.task_modules import (
    DetectionPostProcessing,
    ThreeDETRBoxCoder,
)
from mmdet3d_act.ops import box_corners, giou3d, iou3d
from mmdet3d_act.registry import HAS_MMDET3D, depth_boxes, gravity_boxes
from tests.test_reference.detectors import filled, true_instances
from tests.test_reference.harness import Reference, fixture_params

COVERS = ('detector', 'detector_boxes', 'ap', 'ap_full_path', 'ap_threshold')
NUM_CLASSES = 18

# Our order of corners to the published one, which is clockwise.
CORNER_ORDER = [0, 3, 2, 1, 4, 7, 6, 5]
# Columns that the compiled variant of the released IoU looks at.
COMPILED_COLUMNS = 4
# The names of our losses in the fixtures.
TERMS = {
    'cls': 'sem_cls',
    'giou': 'giou',
    'center': 'center',
    'size': 'size',
    'angle_cls': 'angle_cls',
    'angle_residual': 'angle_reg',
}
SWITCHES = {
    'det': {},
    'det_noempty': dict(min_points=0),
    'det_nonms': dict(suppression='none'),
    'det_clsconf': dict(scoring='best_class'),
    'det_objscore': dict(scoring='objectness'),
    'det_nmsall': dict(suppression='class_agnostic'),
    'det_nms2d': dict(suppression='birds_eye'),
}

needs_mmdet3d = pytest.mark.skipif(
    not HAS_MMDET3D, reason='MMDetection3D is not installed'
)


def camera_corners(boxes: Tensor) -> Tensor:
    """Return corners in the published order and axes, (..., 8, 3)."""
    x, y, z = box_corners(boxes)[..., CORNER_ORDER, :].unbind(-1)
    return torch.stack([x, -z, y], dim=-1)


def boxes_of(corners: np.ndarray) -> Tensor:
    """Return boxes (..., 7) with these published corners."""
    x, minus_z, y = torch.from_numpy(corners).unbind(-1)
    corners = torch.stack([x, y, -minus_z], dim=-1)
    ahead = corners[..., 0, :] - corners[..., 3, :]
    sizes = [ahead, *(corners[..., 0, :] - corners[..., i, :] for i in (1, 4))]
    yaw = torch.atan2(ahead[..., 1], ahead[..., 0])
    return torch.cat(
        [
            corners.mean(-2),
            torch.stack([*(one.norm(dim=-1) for one in sizes), yaw], dim=-1),
        ],
        dim=-1,
    )


@pytest.mark.parametrize('name', fixture_params('detector_boxes'))
def test_boxes(reference: Reference, name: str) -> None:
    arrays, _ = reference.load(name)
    centers, sizes, angles = (
        torch.from_numpy(arrays[key]) for key in ('centers', 'sizes', 'angles')
    )
    boxes = upright_boxes(centers, sizes, angles)
    truth = boxes_of(arrays['gt_corners'])
    straight = boxes_of(arrays['gt_corners_axis_aligned'])[..., :6]
    count = torch.from_numpy(arrays['gt_count'])[:, None]
    valid = (torch.arange(truth.shape[1]) < count)[:, None]
    pairs = boxes[:, :, None], truth[:, None]
    flat = boxes[:, :, None, :6], straight[:, None]
    released = giou3d(*pairs, rotation='pretest')
    compiled = released.clone()
    compiled[..., COMPILED_COLUMNS:] = without_intersection(*pairs)[
        ..., COMPILED_COLUMNS:
    ]
    coder = ThreeDETRBoxCoder(12)
    classes, residuals = coder.encode_angles(
        torch.from_numpy(arrays['angle_in'])
    )
    back = classes * math.pi / 6 + residuals
    reference.assert_all(
        name,
        {
            'corners': camera_corners(boxes),
            'corners_axis_aligned': camera_corners(boxes[..., :6]),
            'giou_axis_aligned': giou3d(*flat) * valid,
            'giou_rotated': released * valid,
            'giou_rotated_boxes_flag_off': giou3d(*pairs, rotation='corners')
            * valid,
            'giou_rotated_cython': compiled * valid,
            'iou_eval': iou3d(*pairs),
            'iou_eval_axis_aligned': iou3d(*flat),
            'angle_class': classes.to(torch.int16),
            'angle_residual': residuals,
            'angle_back': torch.where(
                back > math.pi, back - 2 * math.pi, back
            ),
        },
    )


def without_intersection(boxes: Tensor, others: Tensor) -> Tensor:
    """Return the generalised IoU as if nothing overlapped."""
    corners = [box_corners(one) for one in (boxes, others)]
    high = torch.maximum(*(one.amax(-2) for one in corners))
    low = torch.minimum(*(one.amin(-2) for one in corners))
    volumes = [one[..., 3:6].prod(-1) for one in (boxes, others)]
    return (volumes[0] + volumes[1]) / (high - low).prod(-1) - 1


def padded(value: Tensor, width: int) -> Tensor:
    """Return (B, M, ...) with ``width`` rows, the last ones 0."""
    rows = value.new_zeros(len(value), width, *value.shape[2:])
    rows[:, : value.shape[1]] = value
    return rows


def target_arrays(targets: DetectionTargets) -> dict[str, Tensor]:
    valid = targets.valid
    corners = camera_corners(
        upright_boxes(targets.centers, targets.sizes, targets.angles)
    )
    named = {
        'box_corners': corners * valid[..., None, None],
        'box_centers': targets.centers,
        'box_centers_normalized': targets.centers_normalized,
        'box_sizes': targets.sizes,
        'box_sizes_normalized': targets.sizes_normalized,
        'box_angles': targets.angles,
        'angle_class_label': targets.angle_classes * valid,
        'angle_residual_label': targets.angle_residuals,
        'box_sem_cls_label': targets.labels,
        'box_present': valid.float(),
    }
    return {f'gt_{key}': padded(value, 64) for key, value in named.items()}


def decoded_arrays(decoded: dict[str, Tensor]) -> dict[str, Tensor]:
    boxes = upright_boxes(
        decoded['centers'], decoded['sizes'], decoded['angles']
    )
    bins = decoded['angle_logits'].shape[-1]
    residuals = decoded['angle_residuals']
    named = {
        'center_unnormalized': decoded['centers'],
        'center_normalized': decoded['centers_normalized'],
        'size_unnormalized': decoded['sizes'],
        'size_normalized': decoded['sizes_normalized'],
        'angle_residual': residuals * math.pi / bins,
        'angle_continuous': decoded['angles'],
        'objectness_prob': decoded['objectness'],
        'sem_cls_prob': decoded['class_scores'],
        'box_corners': camera_corners(boxes),
    }
    return {
        f'{prefix}_{key}': value[layer]
        for key, value in named.items()
        for layer, prefix in enumerate(
            [*(f'aux{i}' for i in range(len(value) - 1)), 'out']
        )
    }


def matcher_arrays(matched: Tensor, boxes: Tensor) -> dict[str, Tensor]:
    """Return the assignment of the last layer as the fixtures have it."""
    found = {
        'matcher_per_prop_gt_inds': boxes.to(torch.int16),
        'matcher_matched_mask': matched.to(torch.uint8),
    }
    for scene, own in enumerate(matched):
        rows = own.nonzero().squeeze(1)
        found[f'matcher_pairs_scene{scene}'] = torch.stack(
            [rows, boxes[scene, rows]]
        ).to(torch.int16)
    return found


def term_arrays(
    losses: dict[str, Tensor], decoded: dict, targets: DetectionTargets
) -> dict:
    """Return every term of the loss by published name."""
    layers = len(decoded['centers'])
    terms = {}
    for layer in range(layers):
        last = layer == layers - 1
        prefix, suffix = ('', '') if last else (f'd{layer}.', f'_{layer}')
        for ours, theirs in TERMS.items():
            terms[f'term_loss_{theirs}{suffix}'] = losses.get(
                f'{prefix}loss_{ours}', torch.tensor(0.0)
            )
        found = decoded['cls_logits'][layer].argmax(-1)
        objects = found != decoded['cls_logits'].shape[-1] - 1
        error = (objects.sum(-1) - targets.valid.sum(-1)).abs().float().mean()
        terms[f'term_loss_cardinality{suffix}'] = error
    assert losses['cardinality_error'] == terms['term_loss_cardinality']
    return terms


def detection_arrays(decoded: dict, points: Tensor) -> dict:
    results = {}
    for name, options in SWITCHES.items():
        scenes = DetectionPostProcessing(**options)(decoded, points)
        results |= joined(name, scenes)
        boxes = [gravity_boxes(one.bboxes_3d) for one in scenes]
        results[f'{name}_corners'] = camera_corners(torch.cat(boxes))
    return results


def joined(name: str, scenes: list[InstanceData]) -> dict:
    """Return count, class and score of detections by fixture name."""
    counts = [len(one.scores_3d) for one in scenes]
    return {
        f'{name}_count': np.array(counts),
        f'{name}_cls': torch.cat([one.labels_3d for one in scenes]),
        f'{name}_score': torch.cat([one.scores_3d for one in scenes]),
    }


@needs_mmdet3d
@pytest.mark.parametrize('name', fixture_params('detector'))
def test_detection(reference: Reference, name: str) -> None:
    """All decoder layers: targets, assignment, loss terms, detections."""
    arrays, _ = reference.load(name)
    points = torch.from_numpy(arrays['point_clouds'])
    network = filled(reference, name)
    head = network.bbox_head
    with torch.no_grad():
        outputs = head(network.backbone(points))
    decoded = head.box_coder.decode(outputs)
    targets = head.box_coder.encode(
        true_instances(arrays, head.box_coder.num_angle_bins),
        outputs['scene_range'],
    )
    assignment = head.assigner.assign(decoded, targets)
    losses = head.set_loss(decoded, targets, assignment)
    width = arrays['gious'].shape[-1]
    costs = {
        'gious': pair_giou(decoded, targets, 'released')[-1],
        'center_dist': center_distances(decoded, targets)[-1],
    }
    results = {
        **target_arrays(targets),
        **decoded_arrays(decoded),
        **matcher_arrays(assignment.matched[-1], assignment.boxes[-1]),
        **term_arrays(losses, decoded, targets),
        'loss_total': sum(v for k, v in losses.items() if 'loss' in k),
    }
    for key, value in costs.items():
        known = min(width, value.shape[-1])
        rest = torch.from_numpy(arrays[key])[..., known:]
        if key == 'gious':
            assert not rest.any()
        results[key] = torch.cat([value[..., :known], rest], dim=-1)
    if 'det_count' in arrays:
        results |= detection_arrays(decoded, points)
    reference.assert_some(
        name, {key: value for key, value in results.items() if key in arrays}
    )


def split(arrays: Mapping, kind: str) -> list[dict[str, np.ndarray]]:
    """Return the boxes of every scene by array name."""
    counts = arrays[f'{kind}_count']
    ends = np.cumsum(counts)
    fields = [
        key for key in ('box', 'cls', 'score') if f'{kind}_{key}' in arrays
    ]
    return [
        {key: arrays[f'{kind}_{key}'][end - count : end] for key in fields}
        for count, end in zip(counts, ends, strict=True)
    ]


def published(boxes: np.ndarray) -> object:
    """Return boxes; the angles of the fixtures are clockwise."""
    boxes = torch.from_numpy(boxes).clone()
    turned = boxes.shape[1] == 7
    if turned:
        boxes[:, 6] *= -1
    return depth_boxes(boxes, turned=turned)


def true_sample(boxes: np.ndarray, labels: np.ndarray) -> dict:
    return dict(
        eval_ann_info=dict(
            gt_bboxes_3d=published(boxes), gt_labels_3d=labels.astype(int)
        )
    )


def average_precisions(samples: list[dict], prefix: str = '') -> dict:
    names = tuple(f'class {index}' for index in range(NUM_CLASSES))
    metric = PublishedIndoorMetric()
    metric.dataset_meta = dict(classes=names)
    metric.process(None, samples)
    found = metric.evaluate(len(samples))
    results = {}
    for threshold in (25, 50):
        own = {
            'ap': [f'{one}_AP_0.{threshold}' for one in names],
            'recall': [f'{one}_rec_0.{threshold}' for one in names],
        }
        for key, entries in own.items():
            results[f'{prefix}{key}{threshold}'] = np.array(
                [found.get(f'published/{one}', np.nan) for one in entries]
            )
        for ours, theirs in (('mAP', 'map'), ('mAR', 'mar')):
            results[f'{prefix}{theirs}{threshold}'] = found[
                f'published/{ours}_0.{threshold}'
            ]
    return results


@needs_mmdet3d
@pytest.mark.parametrize('name', fixture_params('ap'))
def test_average_precision(reference: Reference, name: str) -> None:
    arrays, _ = reference.load(name)
    samples = [
        true_sample(true['box'], true['cls'])
        | dict(
            pred_instances_3d=dict(
                bboxes_3d=published(found['box']),
                scores_3d=torch.from_numpy(found['score']),
                labels_3d=torch.from_numpy(found['cls']),
            )
        )
        for true, found in zip(
            split(arrays, 'gt'), split(arrays, 'det'), strict=True
        )
    ]
    reference.assert_all(name, average_precisions(samples))


@needs_mmdet3d
@pytest.mark.parametrize('name', fixture_params('ap_threshold'))
def test_threshold_must_be_exceeded(reference: Reference, name: str) -> None:
    arrays, _ = reference.load(name)
    sample = true_sample(arrays['gt'], np.array([1]))
    sample['pred_instances_3d'] = dict(
        bboxes_3d=published(arrays['det']),
        scores_3d=torch.tensor([0.9]),
        labels_3d=torch.tensor([1]),
    )
    reference.assert_all(name, average_precisions([sample], 'exact_half_'))


# One class a box where suppression was varied: scored by objectness.
VARIANTS = {
    'kept': {},
    'approx_kept': dict(min_points=0),
    'nonms': dict(suppression='none'),
    'clsconf': dict(scoring='best_class'),
    'objscore': dict(scoring='objectness'),
    'nmsall': dict(suppression='class_agnostic', scoring='objectness'),
    'nms2d': dict(suppression='birds_eye', scoring='objectness'),
    'oldtype': dict(overlap_of='own', scoring='objectness'),
    'nms05': dict(overlap_threshold=0.5, scoring='objectness'),
    'conf05': dict(score_threshold=0.5, scoring='objectness'),
}


@needs_mmdet3d
@pytest.mark.parametrize('name', fixture_params('ap_full_path'))
def test_from_boxes_to_average_precision(
    reference: Reference, name: str
) -> None:
    arrays, _ = reference.load(name)
    inputs = [
        torch.from_numpy(arrays[key])
        for key in (
            'pred_box',
            'sem_cls_prob',
            'objectness_prob',
            'point_clouds',
        )
    ]
    truth = split(arrays, 'gt')
    results = {}
    for variant, options in VARIANTS.items():
        process = DetectionPostProcessing(**options)
        scenes = [process.scene(*own) for own in zip(*inputs, strict=True)]
        results |= joined(variant, scenes)
        if variant in ('kept', 'approx_kept'):
            samples = [
                true_sample(true['box'], true['cls'])
                | dict(pred_instances_3d=dict(found.items()))
                for true, found in zip(truth, scenes, strict=True)
            ]
            prefix = variant.removesuffix('kept')
            results |= average_precisions(samples, prefix)
    reference.assert_all(
        name, {key: value for key, value in results.items() if key in arrays}
    )
