"""Pictures of what detectors and segmentors see in scenes."""

from __future__ import annotations

import numpy as np
import torch

from mmdet3d_act.evaluation.detection_metric import find_true_boxes
from mmdet3d_act.registry import gravity_boxes
from mmdet3d_act.text import counted
from mmdet3d_act.visualization import Panel
from mmdet3d_act.visualization.arrays import to_numpy
from mmdet3d_act.visualization.samples import point_labels, sample_name
from mmdet3d_act.visualization.scenes import (
    box_panel,
    error_panel,
    label_panel,
    plain_panel,
)

# Of the boxes that a web page holds.
LOWEST_SCORE = 0.05
SCENE_CONFIG = (
    'a config of detection (such as configs/act/act_3detr_scannet.py) or of '
    'segmentation (act_semseg_scannet.py, act_semseg_s3dis.py)'
)


def scene_panels(
    sample: dict,
    points: torch.Tensor,
    colors: np.ndarray,
    min_score: float = 0.3,
) -> tuple[list[Panel], set[int]]:
    """Make the panels of a scene, and list the classes that are in them.

    Args:
        sample: A data sample as a dict.
        points: (N, 3), z up.
        colors: Of the classes, (C, 3) in [0, 1].
        min_score: Of the detections that are drawn.

    Raises:
        ValueError: If the sample holds neither boxes nor labels of points,
            true or predicted.
    """
    panels = [plain_panel(sample_name(sample), points)]
    panels[0] = panels[0]._replace(caption=f'{len(points)} points')
    labels = point_labels(sample)
    seen: set[int] = set()
    known = find_true_boxes(sample)
    if labels is not None or 'pred_pts_seg' in sample:
        seen |= _add_labels(panels, sample, points, colors, labels)
    elif known is not None:
        boxes, gt_labels = known
        panels.append(box_panel('annotated', points, boxes, gt_labels, colors))
        seen |= set(gt_labels.tolist())
    found = sample.get('pred_instances_3d')
    if found is not None:
        # Web pages show those of lower scores, too, where they are asked for.
        lowest = min(min_score, LOWEST_SCORE)
        boxes, best, scores = likely_boxes(found, lowest)
        likely = scores >= min_score
        number = counted(int(likely.sum()), 'box', 'boxes')
        caption = f'{number} of score >= {min_score:g}'
        if not likely.any() and len(found['scores_3d']):
            caption += f', the best has {float(found["scores_3d"].max()):.2g}'
        panel = box_panel('predicted', points, boxes, best, colors, caption)
        scored = panel.boxes._replace(
            scores=scores.numpy(), min_score=min_score
        )
        panels.append(panel._replace(boxes=scored))
        seen |= set(best[likely].tolist())
    if len(panels) == 1:
        raise ValueError(
            f'{panels[0].title} has neither boxes nor classes of points; give '
            f'{SCENE_CONFIG}, whose validation data have test_mode=True'
        )
    return panels, seen


def _add_labels(
    panels: list[Panel],
    sample: dict,
    points: torch.Tensor,
    colors: np.ndarray,
    labels: np.ndarray | None,
) -> set[int]:
    """Add the panels of a segmentation; return the classes in them."""
    shown = []
    if labels is not None:
        panels.append(label_panel('annotated', points, labels, colors))
        shown.append(labels)
    if 'pred_pts_seg' in sample:
        found = to_numpy(sample['pred_pts_seg']['pts_semantic_mask'])
        panels.append(label_panel('predicted', points, found, colors))
        shown.append(found)
        if labels is not None:
            panels.append(error_panel(points, labels, found, len(colors)))
    values = np.unique(np.concatenate(shown))
    return {int(one) for one in values if 0 <= one < len(colors)}


def likely_boxes(
    found: dict, min_score: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Select the likely detections of a scene, highest scores first.

    A box that is detected as several classes is kept once, as that of its
    highest score.

    Args:
        found: ``bboxes_3d``, ``scores_3d`` and ``labels_3d``.
        min_score: Lower scores are left out.

    Returns:
        Boxes (n, 7): middle, sizes, yaw; their labels and scores (n,).
    """
    scores = found['scores_3d'].detach().cpu()
    order = scores.argsort(descending=True, stable=True)
    order = order[scores[order] >= min_score]
    boxes = gravity_boxes(found['bboxes_3d']).detach().cpu()[order]
    labels, scores = found['labels_3d'].cpu()[order], scores[order]
    places: dict[tuple, int] = {}
    for place, box in enumerate(map(tuple, boxes.tolist())):
        places.setdefault(box, place)
    kept = [*places.values()]
    return boxes[kept], labels[kept], scores[kept]
