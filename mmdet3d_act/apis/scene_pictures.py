"""Pictures of what detectors and segmentors see in scenes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import nn
from torch.utils.data import Dataset

from mmdet3d_act.apis.pictures import choose_indices
from mmdet3d_act.engine.launch import UsageError
from mmdet3d_act.evaluation.detection_metric import find_true_boxes
from mmdet3d_act.models.autoencoders import DiscreteVAE
from mmdet3d_act.models.classifiers import PointClassifier
from mmdet3d_act.models.distillers import Distiller
from mmdet3d_act.registry import gravity_boxes, registered_classes
from mmdet3d_act.text import counted
from mmdet3d_act.visualization import Panel, write_html
from mmdet3d_act.visualization.arrays import class_colors, to_numpy
from mmdet3d_act.visualization.samples import point_labels, sample_name
from mmdet3d_act.visualization.scenes import (
    box_panel,
    draw_scene_panels,
    error_panel,
    label_panel,
    plain_panel,
)

# Of the boxes that a web page holds.
LOWEST_SCORE = 0.05
# Models of ours that find neither boxes nor classes of points.
_OTHER_MODELS = (DiscreteVAE, Distiller, PointClassifier)
SCENE_CONFIG = (
    'a config of detection (such as configs/act/act_3detr_scannet.py) or of '
    'segmentation (act_semseg_scannet.py, act_semseg_s3dis.py)'
)


def require_scene_model(cfg: Config, config: str) -> None:
    """Refuse a config whose model predicts nothing about places in a scene.

    Args:
        cfg: The config.
        config: Name of the config file.

    Raises:
        UsageError: If its model classifies clouds or is for pretraining.
    """
    kind = (cfg.get('model') or {}).get('type')
    if any(issubclass(one, _OTHER_MODELS) for one in registered_classes(kind)):
        raise UsageError(
            f'the model of {config} is a {kind}, which predicts neither boxes '
            f'nor classes of points; give {SCENE_CONFIG}'
        )


def draw_scenes(
    model: nn.Module | None,
    dataset: Dataset,
    folder: str | Path,
    *,
    num_samples: int = 3,
    indices: Sequence[int] | None = None,
    min_score: float = 0.3,
    html: bool = False,
    panel: int = 420,
) -> list[Path]:
    """Draw scenes with what is known of them and what a model predicts.

    Args:
        model: A detector or a segmentor with its weights; None draws the
            annotations alone.
        dataset: Where the scenes come from; it gives what the model reads.
        folder: Gets ``scenes.png`` and ``scenes.html``.
        num_samples: Number of scenes, evenly spread over the data set.
        indices: Which scenes instead, counted from 0.
        min_score: Of the detections that are drawn, each box as the class of
            its highest score.
        html: Whether to write a web page.
        panel: Width and height of one picture.

    Returns:
        The paths that were written.

    Raises:
        UsageError: If there is no such scene.
        ValueError: If the samples hold neither annotations nor predictions.
    """
    meta = getattr(dataset, 'metainfo', {})
    classes = tuple(meta.get('classes', ()))
    colors = class_colors(len(classes), meta.get('palette'))
    rows, shown = [], set()
    for index in choose_indices(dataset, num_samples, indices):
        sample, points = predict_scene(model, dataset[index])
        row, labels = scene_panels(sample, points, colors, min_score)
        shown |= labels
        rows.append(row)
    legend = {
        classes[label]: colors[label].tolist() for label in sorted(shown)
    }
    up_axis = meta.get('up_axis', 'z')
    folder = Path(folder)
    path = folder / 'scenes.png'
    paths = [
        draw_scene_panels(
            rows, path, legend=legend, up_axis=up_axis, panel=panel
        )
    ]
    if html:
        path = path.with_suffix('.html')
        legend = dict(zip(classes, colors.tolist(), strict=True))
        view = dict(legend=legend, up_axis=up_axis, heading='Scenes')
        paths.append(write_html(rows, path, **view))
    return paths


def predict_scene(
    model: nn.Module | None, data: dict
) -> tuple[dict, torch.Tensor]:
    """Predict a scene: its sample as a dict, and its points.

    Args:
        model: A detector or a segmentor; None adds no predictions.
        data: What a data set gives for a scene.

    Returns:
        The sample, and (N, 3), on the CPU.
    """
    points = torch.as_tensor(data['inputs']['points'])[:, :3].cpu()
    sample = data['data_samples']
    if model is not None:
        with torch.no_grad():
            sample = model.test_step(pseudo_collate([data]))[0]
    known = sample.to_dict()
    return {**sample.metainfo, **known}, points


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
