"""Data sets, samplers and transforms; importing it registers them."""

from mmdet3d_act.datasets import transforms
from mmdet3d_act.datasets.base import PointCloudDataset, SeededSampleMixin
from mmdet3d_act.datasets.modelnet40 import ModelNet40
from mmdet3d_act.datasets.point_folder import PointFolder
from mmdet3d_act.datasets.readers import BadSampleError, read_points
from mmdet3d_act.datasets.samplers import EpochSampler
from mmdet3d_act.datasets.seeding import SampleIndex
from mmdet3d_act.datasets.shapenet55 import ShapeNet55

__all__ = [
    'BadSampleError',
    'EpochSampler',
    'ModelNet40',
    'PointCloudDataset',
    'PointFolder',
    'SampleIndex',
    'SeededSampleMixin',
    'ShapeNet55',
    'read_points',
    'transforms',
]
