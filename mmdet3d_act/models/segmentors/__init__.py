"""Segmentors: a backbone and a decode head."""

from mmdet3d_act.models.segmentors.average_seg_logits_tta import (
    AverageSegLogitsTTA,
)
from mmdet3d_act.models.segmentors.point_segmentor import PointSegmentor
