"""Tiny scenes and detectors that the tests of detection share."""

from __future__ import annotations

import torch
from mmengine.structures import BaseDataElement, InstanceData
from torch import Tensor

from mmdet3d_act.models.backbones import PointTransformer, ThreeDETREncoder
from mmdet3d_act.models.detectors import ThreeDETR
from mmdet3d_act.models.heads import ThreeDETRHead
from mmdet3d_act.registry import depth_boxes
from tests.test_models import toys

NUM_CLASSES = 4
HEAD = dict(
    num_classes=NUM_CLASSES,
    in_channels=toys.DIMS,
    embed_dims=16,
    num_queries=5,
    num_layers=2,
    num_heads=2,
    feedforward_dims=24,
    dropout=0.0,
    head_dropout=0.0,
)


def student(**changes: object) -> PointTransformer:
    settings = {**toys.STUDENT, 'with_cls_token': False, **changes}
    settings.pop('type')
    return PointTransformer(**settings)


def encoder(**changes: object) -> ThreeDETREncoder:
    settings = dict(
        embed_dims=toys.DIMS,
        num_layers=1,
        feedforward_dims=24,
        num_groups=toys.NUM_GROUPS,
        group_size=toys.GROUP_SIZE,
        radius=0.5,
        channels=(8,),
        dropout=0.0,
    )
    return ThreeDETREncoder(**{**settings, **changes})


def masked_encoder() -> ThreeDETREncoder:
    """Return 3DETR-m's: masked, and abstracted again after a layer."""
    return encoder(
        num_layers=2,
        num_groups=2 * toys.NUM_GROUPS,
        masking_radii=(0.4, 0.8),
        downsample_radius=0.4,
        downsample_size=4,
    )


def detector(backbone: torch.nn.Module, **changes: object) -> ThreeDETR:
    head = ThreeDETRHead(**{**HEAD, **changes})
    return toys.randomize(ThreeDETR(backbone, head))


def scene(*boxes: tuple[float, ...], labels: tuple = ()) -> BaseDataElement:
    """Return a sample with boxes (x, y, z, dx, dy, dz)."""
    tensor = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 6)
    yaw = tensor.new_zeros(len(tensor), 1)
    truth = InstanceData(
        bboxes_3d=depth_boxes(torch.cat([tensor, yaw], 1), turned=False),
        labels_3d=torch.tensor(labels or [0] * len(tensor), dtype=torch.int64),
    )
    return BaseDataElement(gt_instances_3d=truth)


def points(batch: int = 2, number: int = toys.NUM_POINTS) -> Tensor:
    torch.manual_seed(3)
    return torch.rand(batch, number, 3) * 4 - 1
