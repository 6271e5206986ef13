"""Backbones."""

from mmdet3d_act.models.backbones.point_transformer import (
    EncodedPatches,
    PointTransformer,
)
from mmdet3d_act.models.backbones.threedetr_encoder import ThreeDETREncoder
