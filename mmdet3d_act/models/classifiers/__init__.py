"""Classifiers of whole clouds."""

from mmdet3d_act.models.classifiers.average_logits_tta import (
    AverageLogitsTTA,
)
from mmdet3d_act.models.classifiers.point_classifier import PointClassifier
from mmdet3d_act.models.classifiers.transfer import (
    TRANSFERS,
    freeze_backbone,
    keeps_backbone,
)

__all__ = [
    'TRANSFERS',
    'AverageLogitsTTA',
    'PointClassifier',
    'freeze_backbone',
    'keeps_backbone',
]
