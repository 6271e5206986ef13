"""The lists, and what MMDetection3D's own data sets make of them."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets.scannet import (
    DETECTION_CLASSES,
    SEGMENTATION_IDS,
)
from mmdet3d_act.synthetic.room_lists import (
    count_boxes,
    list_files,
    write_lists,
)
from mmdet3d_act.synthetic.writing import write_array, write_whole

pytest.importorskip('mmdet3d')


def stock_dataset(name: str, root: Path, split: str) -> object:
    """Return MMDetection3D's data set of its own config, at a root."""
    from mmdet3d.registry import DATASETS
    from mmdet3d.utils import register_all_modules
    from mmengine.config import Config
    from mmengine.hub import get_config

    register_all_modules(init_default_scope=True)
    config = get_config(f'mmdet3d::_base_/datasets/{name}.py')
    assert isinstance(config, Config)
    dataset = config[f'{split}_dataloader'].dataset
    dataset = dataset.get('dataset', dataset)
    dataset.data_root = f'{root}/scannet/'
    if 'scene_idxs' in dataset:
        listed = root / 'scannet/seg_info/train_resampled_scene_idxs.npy'
        dataset.scene_idxs = str(listed)
    return DATASETS.build(dataset)


def test_the_stock_detection_data_set_reads_them(scene_root: Path) -> None:
    dataset = stock_dataset('scannet-3d', scene_root, 'train')
    assert len(dataset) == 4
    assert tuple(dataset.metainfo['classes']) == DETECTION_CLASSES
    labels = []
    for index in range(4):
        sample = dataset[index]
        truth = sample['data_samples'].gt_instances_3d
        labels += truth.labels_3d.tolist()
        points = sample['inputs']['points'][:, None, :3]
        boxes = truth.bboxes_3d
        reach = (points - boxes.gravity_center).abs() - boxes.dims / 2
        inside = (reach < 0.05).all(-1)
        mask = sample['data_samples'].gt_pts_seg.pts_semantic_mask
        own = inside & (mask[:, None] == truth.labels_3d)
        assert own.sum(0).min() >= 5
        # Points of a class are in a box of this class.
        boxed = mask < 18
        assert own[boxed].any(1).float().mean() > 0.97
    assert set(labels) == set(range(18))


def test_the_stock_segmentation_data_set_reads_them(scene_root: Path) -> None:
    dataset = stock_dataset('scannet-seg', scene_root, 'train')
    # One room of 9000 points is one sample of 8192.
    assert len(dataset) == 4
    sample = dataset[0]
    mask = sample['data_samples'].gt_pts_seg.pts_semantic_mask
    assert sample['inputs']['points'].shape == (8192, 6)
    assert set(mask.tolist()) <= set(range(21))
    assert len(set(mask.tolist()) - {20}) >= 2
    whole = stock_dataset('scannet-seg', scene_root, 'test')
    assert len(whole) == 1
    truth = whole[0]['data_samples'].eval_ann_info['pts_semantic_mask']
    assert truth.shape == (9000,)


def test_infos_are_laid_out_as_published(scene_root: Path) -> None:
    path = scene_root / 'scannet' / 'scannet_infos_train.pkl'
    infos = pickle.loads(path.read_bytes())
    assert infos['metainfo']['categories']['showercurtrain'] == 13
    assert infos['metainfo']['info_version'] == '1.1'
    info = infos['data_list'][1]
    assert set(info) == {
        'lidar_points', 'instances', 'pts_semantic_mask_path',
        'pts_instance_mask_path', 'axis_align_matrix',
    }  # fmt: skip
    assert info['lidar_points'] == {
        'num_pts_feats': 6,
        'lidar_path': 'scene0001_00.bin',
    }
    assert np.array(info['axis_align_matrix']).shape == (4, 4)
    for instance in info['instances']:
        assert len(instance['bbox_3d']) == 6
        assert min(instance['bbox_3d'][3:]) > 0


def test_scenes_are_listed_once_per_8192_points(tmp_path: Path) -> None:
    for scene, number, nyu in (('a', 20000, 1), ('b', 100, 33)):
        mask = np.full(number, nyu)
        path = tmp_path / 'semantic_mask' / f'{scene}.bin'
        write_whole(path, mask.astype(np.int64).tobytes())
        stem = tmp_path / 'scannet_instance_data'
        write_array(stem / f'{scene}_aligned_bbox.npy', np.zeros((0, 7)))
        write_array(stem / f'{scene}_axis_align_matrix.npy', np.eye(4))
    write_lists(tmp_path, 'train', ['a', 'b'])
    indices = np.load(tmp_path / 'seg_info/train_resampled_scene_idxs.npy')
    np.testing.assert_array_equal(indices, [0, 0, 1])
    assert indices.dtype == np.int32
    weights = np.load(tmp_path / 'seg_info/train_label_weight.npy')
    share = np.zeros(20)
    share[0] = 20000 / 20100
    share[SEGMENTATION_IDS.index(33)] = 100 / 20100
    np.testing.assert_allclose(weights, 1 / np.log(1.2 + share), rtol=1e-6)
    listed = (tmp_path / 'meta_data/scannetv2_train.txt').read_text()
    assert listed == 'a\nb\n'
    written = {name for name in list_files() if (tmp_path / name).exists()}
    assert written == {name for name in list_files() if 'train' in name}


def test_boxes_are_counted(scene_root: Path) -> None:
    scenes = [f'scene000{index}_00' for index in range(4)]
    counts, dropped = count_boxes(scene_root / 'scannet', scenes)
    assert tuple(counts) == DETECTION_CLASSES
    assert min(counts.values()) >= 1
    assert counts['toilet'] == 1
    assert dropped >= 0
