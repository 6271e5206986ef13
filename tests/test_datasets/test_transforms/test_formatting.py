from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from mmdet3d.structures import Det3DDataSample, PointData

from mmdet3d_act.datasets.transforms import GroupPoints, PackPointInputs


def test_pack(sample: Callable, cloud: np.ndarray) -> None:
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
    assert 'gt_label' not in packed['data_samples']
    assert packed['data_samples'].metainfo == dict(lidar_path='cloud.npy')


def test_own_keys(sample: Callable, cloud: np.ndarray) -> None:
    results = sample(cloud) | dict(heat=np.ones(50), view=2)
    packed = PackPointInputs(('points', 'heat'), ('view',))(results)
    assert packed['inputs']['heat'].shape == (50,)
    assert packed['data_samples'].metainfo == dict(view=2)


def test_without_points() -> None:
    with pytest.raises(KeyError, match='put LoadPointCloud before it'):
        PackPointInputs()({})


def test_labels_per_point_and_of_the_shape(
    sample: Callable, cloud: np.ndarray
) -> None:
    results = sample(cloud) | dict(
        pts_semantic_mask=np.arange(50, dtype=np.uint8),
        shape_label=4,
        shape_category='Chair',
    )
    packed = PackPointInputs()(results)
    label = packed['inputs']['shape_label']
    assert (label.shape, label.dtype, int(label)) == ((), torch.int64, 4)
    data = packed['data_samples']
    assert isinstance(data.gt_pts_seg, PointData)
    assert data.gt_pts_seg.keys() == ['pts_semantic_mask']
    mask = data.gt_pts_seg.pts_semantic_mask
    assert mask.dtype == torch.int64
    assert mask.tolist() == list(range(50))
    assert data.shape_category == 'Chair'


def test_mask_of_another_number_of_points(
    sample: Callable, cloud: np.ndarray
) -> None:
    results = sample(cloud) | dict(pts_semantic_mask=np.arange(51))
    with pytest.raises(
        ValueError, match=r'cloud.npy: .*shape \(50,\).*got \(51,\)'
    ):
        PackPointInputs()(results)
