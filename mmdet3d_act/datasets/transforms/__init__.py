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
from mmdet3d_act.datasets.transforms.sampling import SamplePoints

__all__ = [
    'GroupPoints',
    'LoadPointCloud',
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
