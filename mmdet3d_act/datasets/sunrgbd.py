"""SUN RGB-D as MMDetection3D prepares it, for detection."""

from __future__ import annotations

from typing import ClassVar

from mmdet3d_act.datasets.scannet import ScanNetScenes
from mmdet3d_act.registry import DATASETS

# In the order of their labels, as MMDetection3D's data set has them.
DETECTION_CLASSES = (
    'bed', 'table', 'sofa', 'chair', 'toilet', 'desk', 'dresser',
    'night_stand', 'bookshelf', 'bathtub',
)  # fmt: skip


@DATASETS.register_module()
class SUNRGBDScenes(ScanNetScenes):
    """SUN RGB-D: single views in metres, z up, with turned boxes.

    The samples are those of MMDetection3D's `SUNRGBDDataset`, read and drawn
    as those of :class:`ScanNetScenes` are, whose arguments it has; boxes are
    (M, 7), with a yaw. The images are not read.

    Source: Song et al., SUN RGB-D: A RGB-D Scene Understanding Benchmark
    Suite, CVPR 2015; format of MMDetection3D 1.x.
    """

    NAME = 'sunrgbd'
    SOURCES: ClassVar[dict] = dict(detection='SUNRGBDDataset')
    LAYOUT = 'sunrgbd_infos_<train|val>.pkl, points/<scene>.bin'
    REMEDY = (
        'To prepare SUN RGB-D: data/sunrgbd/README.md of MMDetection3D and '
        'its tools/create_data.py sunrgbd. Synthetic rooms of this layout: '
        'tools/dataset_converters/make_synthetic_scenes.py --turned-boxes.'
    )
