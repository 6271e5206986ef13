"""Learning-rate schedules that MMEngine does not have."""

from mmdet3d_act.engine.schedulers.cosine_lr import (
    ProgressCosineLR,
    ReleasedCosineLR,
    released_cosine_lr,
)

__all__ = ['ProgressCosineLR', 'ReleasedCosineLR', 'released_cosine_lr']
