"""Between heads and losses: box coding, assignment, post-processing."""

from mmdet3d_act.models.task_modules.box_coder import ThreeDETRBoxCoder
from mmdet3d_act.models.task_modules.detection_post_processing import (
    DetectionPostProcessing,
)
from mmdet3d_act.models.task_modules.set_assigner import HungarianSetAssigner
