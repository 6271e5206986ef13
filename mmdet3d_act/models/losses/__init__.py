"""Losses: tensors in, a scalar out."""

from mmdet3d_act.models.losses.chamfer_loss import PatchChamferLoss
from mmdet3d_act.models.losses.feature_loss import (
    CosineFeatureLoss,
    MSEFeatureLoss,
    SmoothL1FeatureLoss,
    cosine_distance,
)
from mmdet3d_act.models.losses.kl_loss import kl_to_uniform

__all__ = [
    'CosineFeatureLoss',
    'MSEFeatureLoss',
    'PatchChamferLoss',
    'SmoothL1FeatureLoss',
    'cosine_distance',
    'kl_to_uniform',
]
