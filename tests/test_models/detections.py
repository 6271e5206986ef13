"""Scenes with boxes, and what a head predicts of them."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import Tensor


class Boxes:
    """Stands in for MMDetection3D's `DepthInstance3DBoxes`.

    Args:
        boxes: (n, 7): middle, sizes, yaw.
    """

    def __init__(self, boxes: Tensor) -> None:
        self.gravity_center = boxes[:, :3]
        self.dims = boxes[:, 3:6]
        self.yaw = boxes[:, 6]


def instances(boxes: list, labels: list) -> SimpleNamespace:
    """Return annotations of a scene; boxes of 6 numbers are not turned."""
    full = torch.zeros(len(labels), 7)
    for row, box in zip(full, boxes, strict=True):
        row[: len(box)] = torch.tensor(box)
    return SimpleNamespace(
        bboxes_3d=Boxes(full), labels_3d=torch.tensor(labels).long()
    )


def scene_range(scenes: int = 2, size: float = 4.0) -> tuple[Tensor, Tensor]:
    return torch.zeros(scenes, 3), torch.full((scenes, 3), size)


def raw_outputs(
    layers: int = 2,
    scenes: int = 2,
    queries: int = 5,
    classes: int = 3,
    bins: int = 1,
    seed: int = 0,
) -> dict:
    """Return random predictions; those that need it have a gradient."""
    generator = torch.manual_seed(seed)
    shape = (layers, scenes, queries)
    widths = dict(
        cls_logits=classes + 1,
        center_offset=3,
        size_logits=3,
        angle_logits=bins,
        angle_residual=bins,
    )
    outputs = {
        name: torch.randn(*shape, width, generator=generator).requires_grad_()
        for name, width in widths.items()
    }
    outputs['query_xyz'] = 4 * torch.rand(
        scenes, queries, 3, generator=generator
    )
    outputs['scene_range'] = scene_range(scenes)
    return outputs
