"""Detectors."""

from mmdet3d_act.models.detectors.three_detr import ThreeDETR

__all__ = ['ThreeDETR']
