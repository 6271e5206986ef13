"""Losses: tensors in, a scalar out."""

from mmdet3d_act.models.losses.chamfer_loss import PatchChamferLoss
from mmdet3d_act.models.losses.detection_set_loss import DetectionSetLoss
from mmdet3d_act.models.losses.detection_sets import (
    DetectionTargets,
    SetAssignment,
    center_distances,
    check_labels,
    pair_giou,
    upright_boxes,
)
from mmdet3d_act.models.losses.feature_loss import (
    CosineFeatureLoss,
    FeatureLoss,
    MSEFeatureLoss,
    SmoothL1FeatureLoss,
)
from mmdet3d_act.models.losses.joint_feature_loss import (
    BarlowTwinsFeatureLoss,
    NTXentFeatureLoss,
    barlow_twins,
    nt_xent,
)
from mmdet3d_act.models.losses.kl_loss import kl_to_uniform
