"""Classifiers of whole clouds."""

from mmdet3d_act.models.classifiers.average_logits_tta import (
    AverageLogitsTTA,
)
from mmdet3d_act.models.classifiers.point_classifier import (
    TRANSFERS,
    PointClassifier,
)
