"""Heads: predictions and targets to losses."""

from mmdet3d_act.models.heads.classification_head import ClassificationHead
from mmdet3d_act.models.heads.code_head import CodeHead
from mmdet3d_act.models.heads.coordinate_head import CoordinateHead
from mmdet3d_act.models.heads.feature_head import FeatureHead
from mmdet3d_act.models.heads.part_seg_head import PartSegHead
from mmdet3d_act.models.heads.semantic_seg_head import SemanticSegHead

__all__ = [
    'ClassificationHead',
    'CodeHead',
    'CoordinateHead',
    'FeatureHead',
    'PartSegHead',
    'SemanticSegHead',
]
