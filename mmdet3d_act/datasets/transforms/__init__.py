"""Transforms of one point-cloud sample; importing it registers them."""

from mmdet3d_act.datasets.transforms.augment import (
    RandomPointDropout,
    RandomPointJitter,
    RandomPointRotation,
    RandomPointScaleShift,
    drop_points,
    rotate,
    scale_and_shift,
)
from mmdet3d_act.datasets.transforms.centering import CenterOnGround
from mmdet3d_act.datasets.transforms.cropping import RandomCuboidCrop
from mmdet3d_act.datasets.transforms.formatting import PackPointInputs
from mmdet3d_act.datasets.transforms.frames import LoadFrame
from mmdet3d_act.datasets.transforms.grouping import GroupPoints
from mmdet3d_act.datasets.transforms.images import LoadImage, PrepareImage
from mmdet3d_act.datasets.transforms.loading import LoadPointCloud
from mmdet3d_act.datasets.transforms.normalize import (
    NormalizeToUnitSphere,
    normalize_to_unit_sphere,
)
from mmdet3d_act.datasets.transforms.rooms import LoadRoom, LoadRoomBlock
from mmdet3d_act.datasets.transforms.sampling import SamplePoints
from mmdet3d_act.datasets.transforms.scenes import LoadScene
from mmdet3d_act.datasets.transforms.subsampling import KeepFarthestPoints

__all__ = [
    'CenterOnGround',
    'GroupPoints',
    'KeepFarthestPoints',
    'LoadFrame',
    'LoadImage',
    'LoadPointCloud',
    'LoadRoom',
    'LoadRoomBlock',
    'LoadScene',
    'NormalizeToUnitSphere',
    'PackPointInputs',
    'PrepareImage',
    'RandomCuboidCrop',
    'RandomPointDropout',
    'RandomPointJitter',
    'RandomPointRotation',
    'RandomPointScaleShift',
    'SamplePoints',
    'drop_points',
    'normalize_to_unit_sphere',
    'rotate',
    'scale_and_shift',
]
