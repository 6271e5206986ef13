"""Heads: predictions and targets to losses."""

from mmdet3d_act.models.heads.alignment_head import AlignmentHead
from mmdet3d_act.models.heads.classification_head import ClassificationHead
from mmdet3d_act.models.heads.masked_patch_heads import (
    CodeHead,
    CoordinateHead,
    FeatureHead,
)
from mmdet3d_act.models.heads.nearest_centers_head import NearestCentersHead
from mmdet3d_act.models.heads.point_decode_head import PointDecodeHead
from mmdet3d_act.models.heads.segmentation_heads import (
    PartSegHead,
    SemanticSegHead,
)
from mmdet3d_act.models.heads.threedetr_head import ThreeDETRHead
