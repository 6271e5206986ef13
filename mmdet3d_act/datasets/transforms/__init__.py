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
from mmdet3d_act.datasets.transforms.formatting import PackPointInputs
from mmdet3d_act.datasets.transforms.grouping import GroupPoints
from mmdet3d_act.datasets.transforms.loading import LoadPointCloud
from mmdet3d_act.datasets.transforms.normalize import (
    NormalizeToUnitSphere,
    normalize_to_unit_sphere,
)
from mmdet3d_act.datasets.transforms.rooms import LoadRoom, LoadRoomBlock
from mmdet3d_act.datasets.transforms.sampling import SamplePoints
from mmdet3d_act.datasets.transforms.subsampling import KeepFarthestPoints

__all__ = [
    'GroupPoints',
    'KeepFarthestPoints',
    'LoadPointCloud',
    'LoadRoom',
    'LoadRoomBlock',
    'NormalizeToUnitSphere',
    'PackPointInputs',
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
