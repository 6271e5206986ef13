"""Heads: predictions and targets to losses."""

from mmdet3d_act.models.heads.code_head import CodeHead
from mmdet3d_act.models.heads.coordinate_head import CoordinateHead
from mmdet3d_act.models.heads.feature_head import FeatureHead

__all__ = ['CodeHead', 'CoordinateHead', 'FeatureHead']
