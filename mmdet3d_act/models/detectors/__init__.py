"""Detectors."""

from mmdet3d_act.models.detectors.flipped_boxes_tta import FlippedBoxesTTA
from mmdet3d_act.models.detectors.three_detr import ThreeDETR
