from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from mmdet3d.structures import Det3DDataSample

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
