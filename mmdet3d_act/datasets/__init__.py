"""Data sets, samplers and transforms; importing it registers them."""

from mmdet3d_act.datasets import transforms
from mmdet3d_act.datasets.base import PointCloudDataset, SeededSampleMixin
from mmdet3d_act.datasets.few_shot import FewShotDraw
from mmdet3d_act.datasets.modelnet40 import ModelNet40
from mmdet3d_act.datasets.modelnet_fewshot import ModelNetFewShot
from mmdet3d_act.datasets.object_renders import ObjectRenders
from mmdet3d_act.datasets.point_folder import PointFolder
from mmdet3d_act.datasets.readers import BadSampleError, read_points
from mmdet3d_act.datasets.s3dis_blocks import S3DISBlocks
from mmdet3d_act.datasets.samplers import EpochSampler
from mmdet3d_act.datasets.scannet_frames import ScanNetFrames
from mmdet3d_act.datasets.scannet_scenes import ScanNetScenes
from mmdet3d_act.datasets.scanobjectnn import ScanObjectNN
from mmdet3d_act.datasets.seeding import SampleIndex
from mmdet3d_act.datasets.shapenet55 import ShapeNet55
from mmdet3d_act.datasets.shapenet_part import ShapeNetPart

__all__ = [
    'BadSampleError',
    'EpochSampler',
    'FewShotDraw',
    'ModelNet40',
    'ModelNetFewShot',
    'ObjectRenders',
    'PointCloudDataset',
    'PointFolder',
    'S3DISBlocks',
    'SampleIndex',
    'ScanNetFrames',
    'ScanNetScenes',
    'ScanObjectNN',
    'SeededSampleMixin',
    'ShapeNet55',
    'ShapeNetPart',
    'read_points',
    'transforms',
]
