"""Reading clouds, scenes with boxes or masks or neither, and rooms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet3d.structures.points import DepthPoints

from mmdet3d_act.datasets import BadSampleError
from mmdet3d_act.datasets.transforms import (
    LoadPointCloud,
    LoadRoom,
    LoadRoomBlock,
    LoadScene,
)
from tests.segmentation_data import room_rows

TETRAHEDRON = (
    'OFF\n4 4 0\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n'
    '3 0 1 2\n3 0 1 3\n3 0 2 3\n3 1 2 3\n'
)


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A file with points (5, 4)."""
    file = tmp_path / 'a.npy'
    np.save(file, np.arange(20, dtype=np.float32).reshape(5, 4))
    return str(file)


@pytest.mark.parametrize('use_dim', [3, 4])
def test_load(path: str, use_dim: int) -> None:
    """Also what a pack holds instead of the file."""
    load = LoadPointCloud(use_dim)
    points = load(dict(lidar_path=path))['points']
    assert isinstance(points, DepthPoints)
    expected = np.arange(20).reshape(5, 4)[:, :use_dim]
    np.testing.assert_array_equal(points.tensor, expected)
    whole, *_ = load.read(dict(lidar_path=path))
    assert whole.shape == (5, 4)
    packed = load(dict(lidar_path='gone', raw_points=whole))
    assert torch.equal(packed['points'].tensor, points.tensor)


def test_points_in_memory_are_copied() -> None:
    held = np.ones((3, 3), np.float32)
    results = LoadPointCloud()(dict(lidar_path='held', raw_points=held))
    assert 'raw_points' not in results
    results['points'].tensor.zero_()
    assert held.all()
    results = dict(lidar_path='held#3', raw_points=held * np.nan)
    with pytest.raises(BadSampleError, match='held#3: '):
        LoadPointCloud()(results)


def test_meshes(tmp_path: Path) -> None:
    results = dict(lidar_path=str(tmp_path / 'a.off'))
    (tmp_path / 'a.off').write_text(TETRAHEDRON)

    first, second = (
        LoadPointCloud(mesh_points=20)(dict(results))['points'].tensor
        for _ in range(2)
    )
    assert first.shape == (20, 3)
    assert torch.equal(first, second)


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
    whole, *_ = load.read(dict(lidar_path=path))
    packed = load(dict(lidar_path='gone', raw_points=whole))
    assert packed['pts_semantic_mask'].tolist() == mask.tolist()


@pytest.mark.parametrize(
    ('options', 'sample'),
    [
        (dict(use_dim=6), {}),
        (dict(label_column=4), {}),
        (dict(label_column=3), dict(allowed_labels=[3, 7])),
    ],
)
def test_columns_that_are_not_there(
    path: str, options: dict, sample: dict
) -> None:
    with pytest.raises(BadSampleError, match=r'a\.npy: expected'):
        LoadPointCloud(**options)(dict(lidar_path=path, **sample))


SCENE = np.arange(60, dtype=np.float32).reshape(10, 6)


@pytest.fixture
def info(tmp_path: Path) -> dict:
    """A scene's information, with its files."""
    SCENE.tofile(tmp_path / 'points.bin')
    np.arange(10, dtype=np.int64).tofile(tmp_path / 'mask.bin')
    mask = str(tmp_path / 'mask.bin')
    return dict(
        lidar_path=str(tmp_path / 'points.bin'),
        num_pts_feats=6,
        pts_semantic_mask_path=mask,
        pts_instance_mask_path=mask,
        seg_label_mapping=np.zeros(10, np.int64),
    )


def test_scene_without_annotations(info: dict) -> None:
    results = LoadScene()(dict(info))
    assert isinstance(results['points'], DepthPoints)
    assert np.array_equal(results['points'].tensor, SCENE[:, :3])
    assert not {'pts_semantic_mask', 'gt_bboxes_3d'} & set(results)
    points = LoadScene(use_dim=6)(info)['points']
    assert np.array_equal(points.color, SCENE[:, 3:])


def test_boxes_of_training_only(info: dict) -> None:
    boxes = dict(gt_bboxes_3d=torch.ones(2, 6), gt_labels_3d=np.arange(2))
    load = LoadScene(with_boxes=True)
    results = load(dict(info, ann_info=boxes))
    assert results['gt_bboxes_3d'] is boxes['gt_bboxes_3d']
    assert results['gt_labels_3d'].tolist() == [0, 1]
    assert 'gt_bboxes_3d' not in load(dict(info, eval_ann_info=boxes))


def test_masks(info: dict) -> None:
    load = LoadScene(with_semantic_mask=True, with_instance_mask=True)
    results = load(dict(info, eval_ann_info={}))
    for key in ('pts_semantic_mask', 'pts_instance_mask'):
        assert results[key].tolist() == list(range(10))
        assert results['eval_ann_info'][key] is results[key]
    info['seg_label_mapping'] = np.zeros(9, np.int64)
    with pytest.raises(BadSampleError, match=r'mask\.bin: '):
        load(dict(info))
    # Numbers of objects have no limit.
    assert 'pts_instance_mask' in LoadScene(with_instance_mask=True)(info)


def test_scenes_without_points(
    info: dict, logged: pytest.LogCaptureFixture
) -> None:
    Path(info['lidar_path']).write_bytes(b'')
    with pytest.raises(BadSampleError, match=r'points\.bin: '):
        LoadScene()(info)
    for _ in range(2):
        results = LoadScene(use_dim=6, on_empty='origin')(dict(info))
        assert torch.equal(results['points'].tensor, torch.zeros(1, 6))
    # Once of every file.
    assert logged.text.count(info['lidar_path']) == 1
    with pytest.raises(BadSampleError, match=r'no\.bin: '):
        LoadScene(on_empty='origin')(dict(info, lidar_path='no.bin'))


# Where the room lies in its building; no two points have the same height.
CORNER = np.array([5.0, -7.0, 0.5])
STEP = 0.0004


@pytest.fixture
def rows() -> np.ndarray:
    """A room of 3 m by 2 m by 2.5 m, in the building's coordinates."""
    rng = np.random.default_rng(0)
    rows = room_rows(6000, rng)
    rows[:, 2] = rng.permutation(6000) * STEP
    rows[:, :3] += CORNER
    return rows


@pytest.fixture
def room(tmp_path: Path, rows: np.ndarray) -> dict:
    """A sample of the room's file."""
    np.save(tmp_path / 'Area_1_office_1.npy', rows)
    return dict(lidar_path=str(tmp_path / 'Area_1_office_1.npy'))


def _rows_of(coords: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return which row each point is, by its height."""
    order = np.argsort(rows[:, 2])
    return order[np.rint(coords[:, 2] / STEP).astype(int)]


def test_whole_room(room: dict, rows: np.ndarray) -> None:
    """Coordinates, colours, and the place in the room from 0 to 1."""
    results = LoadRoom(use_dim=9)(dict(room))
    points = results['points'].tensor.numpy()
    assert points.dtype == np.float32
    inner = rows[:, :3] - CORNER
    expected = [inner, rows[:, 3:6] / 255, inner / inner.max(0)]
    np.testing.assert_allclose(points, np.hstack(expected), atol=1e-6)
    assert results['points'].attribute_dims == dict(color=[3, 4, 5])
    assert results['pts_semantic_mask'].dtype == np.int64
    np.testing.assert_array_equal(results['pts_semantic_mask'], rows[:, 6])
    for use_dim in (3, 6):
        fewer = LoadRoom(use_dim)(dict(room))['points'].tensor
        np.testing.assert_array_equal(fewer, points[:, :use_dim])
    rows[:, 2] = 3
    np.save(room['lidar_path'], rows)
    assert (LoadRoom(9)(room)['points'].tensor[:, 8] == 0).all()


def test_block(room: dict, rows: np.ndarray) -> None:
    load = LoadRoomBlock(500, min_points=400, use_dim=9)
    np.random.seed(1)
    results = load(dict(room))
    points = results['points'].tensor.numpy()
    assert points.shape == (500, 9)
    assert np.abs(points[:, :2]).max() <= 0.5 + 1e-6
    chosen = _rows_of(points, rows)
    assert len(set(chosen)) == 500
    np.testing.assert_array_equal(
        results['pts_semantic_mask'], rows[chosen, 6]
    )
    # x and y are about the centre, which is one of the room's points.
    shifts = rows[chosen, :2] - points[:, :2]
    np.testing.assert_allclose(shifts, shifts[:1].repeat(500, 0), atol=1e-5)
    assert np.abs(rows[:, :2] - shifts[0]).max(1).min() < 1e-5
    whole = LoadRoom(9)(dict(room))['points'].tensor.numpy()
    np.testing.assert_array_equal(points[:, 3:], whole[chosen, 3:])
    np.random.seed(1)
    again = load(dict(room))['points'].tensor.numpy()
    np.testing.assert_array_equal(again, points)
    other = load(dict(room))['points'].tensor.numpy()
    assert not np.array_equal(other, points)


def test_a_block_has_enough_points(room: dict, rows: np.ndarray) -> None:
    """Few points alone in a far corner: their blocks are drawn again."""
    rows[:50, 0] += 100
    np.save(room['lidar_path'], rows)
    load = LoadRoomBlock(32, min_points=60)
    for seed in range(30):
        np.random.seed(seed)
        points = load(dict(room))['points'].tensor.numpy()
        assert _rows_of(points, rows).min() >= 50
    with pytest.raises(BadSampleError, match=r'Area_1_office_1\.npy: '):
        LoadRoomBlock(64, min_points=5999)(room)
