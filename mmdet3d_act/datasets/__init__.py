"""Data sets, samplers and transforms; importing it registers them."""

from mmdet3d_act.datasets import transforms
from mmdet3d_act.datasets.base import PointCloudDataset
from mmdet3d_act.datasets.few_shot import FewShotDraw
from mmdet3d_act.datasets.modelnet40 import ModelNet40, ModelNetFewShot
from mmdet3d_act.datasets.object_renders import ObjectRenders
from mmdet3d_act.datasets.point_folder import PointFolder
from mmdet3d_act.datasets.readers import BadSampleError, read_points
from mmdet3d_act.datasets.s3dis import S3DISBlocks
from mmdet3d_act.datasets.scannet import ScanNetScenes
from mmdet3d_act.datasets.scannet_frames import ScanNetFrames
from mmdet3d_act.datasets.scanobjectnn import ScanObjectNN
from mmdet3d_act.datasets.scene_folder import SceneFolder
from mmdet3d_act.datasets.seeding import EpochSampler, SampleIndex
from mmdet3d_act.datasets.shapenet55 import ShapeNet55
from mmdet3d_act.datasets.shapenet_part import ShapeNetPart
from mmdet3d_act.datasets.sunrgbd import SUNRGBDScenes
from mmdet3d_act.datasets.wrappers import BalancedDataset, UnionDataset
