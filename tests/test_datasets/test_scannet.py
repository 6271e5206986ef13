"""ScanNet's scenes as samples of MMDetection3D's kind."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet3d.structures import DepthInstance3DBoxes
from mmengine.registry import DefaultScope

from mmdet3d_act.datasets import (
    BadSampleError,
    ScanNetScenes,
    scannet,
)
from mmdet3d_act.datasets.scannet import (
    DETECTION_CLASSES,
)
from mmdet3d_act.registry import DATASETS
from tests.mini_scannet import FURNITURE, write_scannet

DETECT = (
    dict(type='LoadScene', with_boxes=True),
    dict(type='GlobalAlignment', rotation_axis=2),
    dict(type='RandomCuboidCrop', min_points=800),
    dict(type='SamplePoints', num_points=500),
    dict(type='PackPointInputs'),
)
SEGMENT = (
    dict(type='LoadScene', with_semantic_mask=True),
    dict(type='PointSegClassMapping'),
    dict(type='PackPointInputs'),
)
IDXS = 'seg_info/train_resampled_scene_idxs.npy'


@pytest.fixture(autouse=True)
def _scope() -> Iterator[None]:
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        yield


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three rooms, the same for both splits."""
    return write_scannet(tmp_path, num_scenes=3, num_points=1200)


def detection(root: Path, **options: object) -> ScanNetScenes:
    return ScanNetScenes(str(root), **{'pipeline': DETECT, **options})


def test_boxes_of_training(root: Path) -> None:
    data = detection(root)
    assert len(data) == 3
    assert data.metainfo['classes'][2] == 'chair'
    assert len(data.metainfo['classes']) == 18
    assert data.metainfo['up_axis'] == 'z'
    assert data.metainfo['normalization'] == 'none'
    sample = data[0]
    assert sample['inputs']['points'].shape == (500, 3)
    instances = sample['data_samples'].gt_instances_3d
    assert isinstance(instances.bboxes_3d, DepthInstance3DBoxes)
    assert instances.labels_3d.dtype == torch.int64
    assert 1 <= len(instances.bboxes_3d) == len(instances.labels_3d) <= 3
    assert 'eval_ann_info' not in sample['data_samples']


def test_boxes_for_the_metric(root: Path) -> None:
    data = detection(root, split='val', test_mode=True)
    sample = data[1]['data_samples']
    assert 'gt_instances_3d' not in sample
    truth = sample.eval_ann_info
    assert truth['gt_labels_3d'].tolist() == [one[2] for one in FURNITURE]
    sizes = truth['gt_bboxes_3d'].dims
    expected = torch.tensor([one[3] for one in FURNITURE])
    # Written with up to a tenth more or less.
    assert ((sizes / expected - 1).abs() < 0.11).all()


def test_classes_of_points(root: Path) -> None:
    """Masks for the metric go with the points that are left."""
    steps = list(SEGMENT)
    steps.insert(2, dict(type='SamplePoints', num_points=900))
    for split, test_mode in (('train', False), ('val', True)):
        options = dict(task='segmentation', pipeline=steps)
        data = ScanNetScenes(str(root), split, test_mode=test_mode, **options)
        sample = data[0]['data_samples']
        labels = sample.gt_pts_seg.pts_semantic_mask
        assert len(labels) == 900
        assert labels.unique().tolist() == [0, 1, 3, 4, 6]
        assert ('eval_ann_info' in sample) == test_mode
    assert data.metainfo['ignore_index'] == 20


def test_a_share_of_the_scenes(tmp_path: Path) -> None:
    root = write_scannet(tmp_path, num_scenes=20, num_points=60)
    kept = {}
    for share in (0.1, 0.2, 0.5):
        data = detection(root, label_fraction=share, label_seed=4)
        infos = map(data.get_data_info, range(len(data)))
        kept[share] = {info['scene'] for info in infos}
        assert len(kept[share]) == len(data) == 20 * share
    assert kept[0.1] < kept[0.2] < kept[0.5]
    # The same scenes for both tasks, each as often as it is listed.
    options = dict(task='segmentation', scene_idxs=IDXS)
    parts = ScanNetScenes(
        str(root), label_fraction=0.2, label_seed=4, **options
    )
    listed = [parts.get_data_info(i)['scene'] for i in range(len(parts))]
    assert sorted(listed) == sorted([*kept[0.2], *kept[0.2]])


def test_some_classes_only(root: Path) -> None:
    data = detection(root, metainfo=dict(classes=('table', 'bed')))
    assert data.metainfo['classes'] == ('table', 'bed')
    # Each class has its own colour, also where it is not the first.
    palette = DATASETS.get('ScanNetDataset').METAINFO['palette']
    colors = [
        palette[DETECTION_CLASSES.index(one)] for one in ('table', 'bed')
    ]
    assert data.metainfo['palette'] == colors
    labels = data.get_data_info(0)['ann_info']['gt_labels_3d']
    assert labels.tolist() == [1, 0]
    boxes = data.get_data_info(0)['ann_info']['gt_bboxes_3d']
    assert boxes.dims[0, 0] > 1.5


def test_the_categories_of_the_file_number_its_boxes(
    root: Path, logged: pytest.LogCaptureFixture
) -> None:
    before = detection(root).get_data_info(0)['ann_info']['gt_labels_3d']
    order = [*DETECTION_CLASSES[::-1]]
    path = root / 'scannet_infos_train.pkl'
    content = pickle.loads(path.read_bytes())
    for info in content['data_list']:
        for box in info['instances']:
            box['bbox_label_3d'] = 17 - box['bbox_label_3d']

    def labels() -> list[int]:
        numbers = {name: number for number, name in enumerate(order)}
        content['metainfo'] = dict(categories=numbers)
        path.write_bytes(pickle.dumps(content))
        info = detection(root).get_data_info(0)['ann_info']
        return info['gt_labels_3d'].tolist()

    assert labels() == before.tolist()
    assert 'left out' not in logged.text
    order[17 - before[0]] = 'lamp'
    assert len(labels()) == len(before) - 1
    assert 'left out 3 boxes' in logged.text
    assert "'lamp': 3" in logged.text


@pytest.mark.parametrize('idxs', [[0, 3], [0.5], [[0]]])
def test_wrong_scene_idxs(root: Path, idxs: list) -> None:
    with pytest.raises(BadSampleError, match='from 0 to 2'):
        detection(root, scene_idxs=idxs)
    np.save(root / 'idxs.npy', idxs)
    with pytest.raises(BadSampleError, match=r'idxs\.npy: .*from 0 to 2'):
        detection(root, scene_idxs='idxs.npy')


@pytest.mark.parametrize(
    'gone', ['scannet_infos_train.pkl', 'points', 'semantic_mask', IDXS]
)
def test_what_is_missing_is_said_in_advance(root: Path, gone: str) -> None:
    cfg = dict(
        type='ScanNetScenes',
        data_root=str(root),
        task='segmentation',
        scene_idxs=IDXS,
    )
    assert ScanNetScenes.check_requirements(cfg) == []
    (root / gone).rename(root / 'elsewhere')
    (problem,) = ScanNetScenes.check_requirements(cfg)
    assert str(root / gone) in problem
    with pytest.raises(FileNotFoundError, match=Path(gone).name):
        DATASETS.build(cfg)


def test_classes_are_those_of_mmdet3d() -> None:
    meta = DATASETS.get('ScanNetDataset').METAINFO
    assert meta['classes'] == DETECTION_CLASSES
    assert meta['seg_valid_class_ids'] == scannet.DETECTION_IDS
    meta = DATASETS.get('ScanNetSegDataset').METAINFO
    assert meta['seg_valid_class_ids'] == scannet.SEGMENTATION_IDS
