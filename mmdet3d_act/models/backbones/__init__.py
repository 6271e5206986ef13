"""Backbones."""

from mmdet3d_act.models.backbones.point_transformer import (
    EncodedPatches,
    PointTransformer,
)
from mmdet3d_act.models.backbones.pretrained import (
    PretrainedModel,
    find_checkpoint,
)

__all__ = [
    'EncodedPatches',
    'PointTransformer',
    'PretrainedModel',
    'find_checkpoint',
]
