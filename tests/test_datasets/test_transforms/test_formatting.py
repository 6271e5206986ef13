"""What models and metrics get of a sample."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from mmdet3d.structures import (
    DepthInstance3DBoxes,
    Det3DDataSample,
    PointData,
)

from mmdet3d_act.datasets.transforms import GroupPoints, PackPointInputs


def test_whole_clouds(sample: Callable, cloud: np.ndarray) -> None:
    results = sample(cloud) | dict(
        sample_idx=3, split='test', category='cup', gt_label=4, other=5
    )
    packed = PackPointInputs()(GroupPoints(4, 3)(results))
    inputs, data = packed['inputs'], packed['data_samples']
    assert set(packed) == {'inputs', 'data_samples'}
    assert np.array_equal(inputs['points'], cloud)
    assert inputs['points'].dtype == torch.float32
    assert inputs['center_indices'].shape == (4,)
    assert inputs['neighbor_indices'].shape == (4, 3)
    assert isinstance(data, Det3DDataSample)
    assert data.gt_label.tolist() == [4]
    assert data.gt_label.dtype == torch.int64
    assert data.metainfo == dict(
        sample_idx=3, split='test', category='cup', lidar_path='cloud.npy'
    )


def test_what_is_unknown_is_left_out(
    sample: Callable, cloud: np.ndarray
) -> None:
    packed = PackPointInputs()(sample(cloud))
    assert set(packed['inputs']) == {'points'}
    assert packed['data_samples'].keys() == []
    assert packed['data_samples'].metainfo == dict(lidar_path='cloud.npy')
    results = sample(cloud) | dict(heat=np.ones(50), view=2)
    packed = PackPointInputs(('points', 'heat'), ('view',))(results)
    assert packed['inputs']['heat'].shape == (50,)
    assert packed['data_samples'].metainfo == dict(view=2)


def test_labels_boxes_and_pairs(sample: Callable, cloud: np.ndarray) -> None:
    boxes = DepthInstance3DBoxes(
        torch.rand(2, 6), box_dim=6, with_yaw=False, origin=(0.5, 0.5, 0.5)
    )
    results = sample(cloud) | dict(
        pts_semantic_mask=np.arange(50, dtype=np.uint8),
        shape_label=4,
        gt_bboxes_3d=boxes,
        gt_labels_3d=np.array([4, 2]),
        eval_ann_info=dict(gt_labels_3d=np.array([4, 2])),
        box_type_3d=DepthInstance3DBoxes,
        images=torch.zeros(3, 8, 8, dtype=torch.uint8),
        pixels=np.full((50, 2), 0.5, np.float32),
        vectors=np.arange(4, dtype=np.float32),
        pair_key='scene0000_00/000025',
    )
    packed = PackPointInputs()(results)
    inputs, data = packed['inputs'], packed['data_samples']
    label = inputs['shape_label']
    assert (label.shape, label.dtype, int(label)) == ((), torch.int64, 4)
    assert inputs['images'].dtype == torch.uint8
    assert inputs['pixels'].shape == (50, 2)
    assert inputs['vectors'].tolist() == [0, 1, 2, 3]
    assert isinstance(data.gt_pts_seg, PointData)
    assert data.gt_pts_seg.keys() == ['pts_semantic_mask']
    mask = data.gt_pts_seg.pts_semantic_mask
    assert mask.dtype == torch.int64
    assert mask.tolist() == list(range(50))
    assert data.gt_instances_3d.bboxes_3d is boxes
    assert data.gt_instances_3d.labels_3d.tolist() == [4, 2]
    assert data.gt_instances_3d.labels_3d.dtype == torch.int64
    assert data.eval_ann_info['gt_labels_3d'].tolist() == [4, 2]
    assert data.box_type_3d is DepthInstance3DBoxes
    assert data.pair_key == 'scene0000_00/000025'
    results['pts_semantic_mask'] = np.arange(51)
    with pytest.raises(ValueError, match=r'cloud\.npy: '):
        PackPointInputs()(results)


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_broken_coordinates_are_refused(
    sample: Callable, cloud: np.ndarray, value: float
) -> None:
    cloud[5, 2] = value
    with pytest.raises(ValueError, match='finite'):
        PackPointInputs()(sample(points=cloud))
