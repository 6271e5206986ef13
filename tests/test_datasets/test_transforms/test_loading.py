from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmdet3d.structures.points import CameraPoints, DepthPoints

from mmdet3d_act.datasets import BadSampleError
from mmdet3d_act.datasets.transforms import LoadPointCloud


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A file with points (5, 4)."""
    file = tmp_path / 'a.npy'
    np.save(file, np.arange(20, dtype=np.float32).reshape(5, 4))
    return str(file)


@pytest.mark.parametrize('use_dim', [3, 4])
def test_load(path: str, use_dim: int) -> None:
    points = LoadPointCloud(use_dim)(dict(lidar_path=path))['points']
    assert isinstance(points, DepthPoints)
    expected = np.arange(20).reshape(5, 4)[:, :use_dim]
    np.testing.assert_array_equal(points.tensor, expected)


def test_coord_type(path: str) -> None:
    load = LoadPointCloud(coord_type='CAMERA')
    assert isinstance(load(dict(lidar_path=path))['points'], CameraPoints)


def test_points_in_memory_are_copied() -> None:
    held = np.ones((3, 3), np.float32)
    results = dict(lidar_path='held', raw_points=held)
    results = LoadPointCloud()(results)
    assert 'raw_points' not in results
    results['points'].tensor.zero_()
    assert held.all()


def test_bad_points_in_memory() -> None:
    results = dict(lidar_path='held#3', raw_points=np.full((3, 3), np.nan))
    with pytest.raises(BadSampleError, match='held#3: 3 of 3 points'):
        LoadPointCloud()(results)


def test_too_few_columns(path: str) -> None:
    load = LoadPointCloud(use_dim=6)
    with pytest.raises(BadSampleError, match=r'a\.npy: .*6 columns.*got 4'):
        load(dict(lidar_path=path))


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (dict(use_dim=2), 'use_dim must be >= 3, got 2'),
        (dict(coord_type='depth'), "coord_type must .*got 'depth'"),
    ],
)
def test_wrong_options(options: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        LoadPointCloud(**options)
