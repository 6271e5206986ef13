"""Backbones."""

from mmdet3d_act.models.backbones.point_transformer import (
    EncodedPatches,
    PointTransformer,
)

__all__ = ['EncodedPatches', 'PointTransformer']
