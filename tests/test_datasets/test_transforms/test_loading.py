from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet3d.structures.points import CameraPoints, DepthPoints

from mmdet3d_act.datasets import BadSampleError
from mmdet3d_act.datasets.transforms import LoadPointCloud
from tests.test_datasets.packs import TETRAHEDRON


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


def test_what_is_read_can_be_packed(path: str) -> None:
    load = LoadPointCloud()
    arrays = load.read_arrays(dict(lidar_path=path))
    assert arrays['raw_points'].shape == (5, 4)
    points = load(dict(lidar_path='gone', **arrays))['points']
    assert torch.equal(
        points.tensor, load(dict(lidar_path=path))['points'].tensor
    )


def test_meshes(tmp_path: Path) -> None:
    results = dict(lidar_path=str(tmp_path / 'a.off'))
    (tmp_path / 'a.off').write_text(TETRAHEDRON)

    def draw(seed: int, **options: object) -> torch.Tensor:
        np.random.seed(seed)
        load = LoadPointCloud(mesh_points=20, **options)
        return load(dict(results))['points'].tensor

    assert draw(0).shape == (20, 3)
    assert torch.equal(draw(0), draw(1))
    again = dict(mesh_per_epoch=True)
    assert torch.equal(draw(0, **again), draw(0, **again))
    assert not torch.equal(draw(0, **again), draw(1, **again))
    with pytest.raises(ValueError, match='a pack holds one draw'):
        LoadPointCloud(**again).read_arrays(results)


def test_labels_of_a_column(tmp_path: Path) -> None:
    path = str(tmp_path / 'cloud.npy')
    rows = np.random.default_rng(0).normal(size=(9, 5))
    rows[:, 4] = [3, 4, 3, 0, 0, 7, 7, 7, 7]
    np.save(path, rows)
    load = LoadPointCloud(label_column=4)
    results = load(dict(lidar_path=path))
    assert results['points'].tensor.shape == (9, 3)
    mask = results['pts_semantic_mask']
    assert mask.dtype == np.int64
    assert mask.tolist() == rows[:, 4].tolist()
    packed = load(dict(lidar_path='gone', **load.read_arrays(results)))
    assert packed['pts_semantic_mask'].tolist() == mask.tolist()
    with pytest.raises(BadSampleError, match=r'of \[3, 7\], 3 of 9 are not'):
        load(dict(lidar_path=path, allowed_labels=[3, 7]))
    with pytest.raises(BadSampleError, match=r'at least 6 columns .* got 5'):
        LoadPointCloud(label_column=5)(dict(lidar_path=path))
    with pytest.raises(BadSampleError, match='whole numbers >= 0, 9 of 9'):
        LoadPointCloud(label_column=3)(dict(lidar_path=path))
