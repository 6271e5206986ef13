"""Pretraining: a student and its objectives."""

from mmdet3d_act.models.distillers.distiller import Distiller
from mmdet3d_act.models.distillers.local_alignment import (
    LocalAlignment,
    nearest_image_patches,
)
from mmdet3d_act.models.distillers.objective import Objective
