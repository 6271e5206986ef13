"""Learning-rate schedules that MMEngine does not have."""

from mmdet3d_act.engine.schedulers.progress_cosine_lr import ProgressCosineLR
from mmdet3d_act.engine.schedulers.released_cosine_lr import (
    ReleasedCosineLR,
    released_cosine_lr,
)

__all__ = ['ProgressCosineLR', 'ReleasedCosineLR', 'released_cosine_lr']
