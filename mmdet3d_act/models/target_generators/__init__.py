"""What turns a batch into the detached target of a distillation."""

from mmdet3d_act.models.target_generators.autoencoder_target import (
    AutoencoderCodes,
    AutoencoderTarget,
)
from mmdet3d_act.models.target_generators.cached_target import CachedTarget
from mmdet3d_act.models.target_generators.patch_coordinates import (
    PatchCoordinates,
)
from mmdet3d_act.models.target_generators.target_norm import TargetNorm

__all__ = [
    'AutoencoderCodes',
    'AutoencoderTarget',
    'CachedTarget',
    'PatchCoordinates',
    'TargetNorm',
]
