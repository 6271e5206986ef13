"""Heads: predictions and targets to losses."""

from mmdet3d_act.models.heads.alignment_head import AlignmentHead
from mmdet3d_act.models.heads.classification_head import ClassificationHead
from mmdet3d_act.models.heads.code_head import CodeHead
from mmdet3d_act.models.heads.coordinate_head import CoordinateHead
from mmdet3d_act.models.heads.feature_head import FeatureHead
from mmdet3d_act.models.heads.nearest_centers_head import NearestCentersHead
from mmdet3d_act.models.heads.part_seg_head import PartSegHead
from mmdet3d_act.models.heads.point_decode_head import PointDecodeHead
from mmdet3d_act.models.heads.semantic_seg_head import SemanticSegHead
from mmdet3d_act.models.heads.threedetr_head import ThreeDETRHead

__all__ = [
    'AlignmentHead',
    'ClassificationHead',
    'CodeHead',
    'CoordinateHead',
    'FeatureHead',
    'NearestCentersHead',
    'PartSegHead',
    'PointDecodeHead',
    'SemanticSegHead',
    'ThreeDETRHead',
]
