"""Scenes of the ScanNet format, and rooms of S3DIS."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers.rooms import map_rows, open_room
from mmdet3d_act.datasets.readers.scenes import (
    read_scene_infos,
    read_scene_mask,
    read_scene_points,
)
from tests.segmentation_data import room_rows

BOX = [1.0, 2.0, 0.5, 0.4, 0.6, 1.0]
TURN = [[0.0, 1, 1e-6, 3], [-1, 0, 0, 4], [0, 1e-6, 1, 5], [0, 0, 0, 1]]


def scene(**changes: object) -> dict:
    info = dict(
        lidar_points=dict(num_pts_feats=6, lidar_path='scene0000_00.bin'),
        instances=[dict(bbox_3d=BOX, bbox_label_3d=3)],
        axis_align_matrix=TURN,
    )
    return {k: v for k, v in (info | changes).items() if v is not None}


def write(folder: Path, *scenes: object, content: object = None) -> str:
    path = folder / 'infos.pkl'
    whole = dict(metainfo={}, data_list=list(scenes))
    path.write_bytes(pickle.dumps(whole if content is None else content))
    return str(path)


def test_infos(tmp_path: Path) -> None:
    flat = dict(bbox_3d=[1, 2, 3, 0, 0, 0], bbox_label_3d=-1)
    boxes = [dict(bbox_3d=BOX, bbox_label_3d=3), flat]
    path = write(tmp_path, scene(instances=boxes))
    (info,) = read_scene_infos(path, 18)
    assert info['lidar_points']['lidar_path'] == 'scene0000_00.bin'
    assert info['instances'] == boxes
    assert info['pts_semantic_mask_path'] == ''
    assert info['pts_instance_mask_path'] == ''
    matrix = info['axis_align_matrix']
    assert matrix.dtype == np.float32
    # Exactly about z, as MMDetection3D compares it.
    assert matrix[2].tolist() == [0, 0, 1, 5]
    assert matrix[:, 2].tolist() == [0, 0, 1, 0]

    bare = scene(instances=None, axis_align_matrix=None)
    bare['pts_semantic_mask_path'] = 'scene0000_00.bin'
    (info,) = read_scene_infos(write(tmp_path, bare), 20)
    assert info['instances'] == []
    assert np.array_equal(info['axis_align_matrix'], np.eye(4))
    assert info['pts_semantic_mask_path'] == 'scene0000_00.bin'


def box(**changes: object) -> dict:
    changed = dict(bbox_3d=BOX, bbox_label_3d=3) | changes
    return scene(instances=[dict(bbox_3d=BOX, bbox_label_3d=0), changed])


WRONG = {
    'label too high': box(bbox_label_3d=18),
    'nan': box(bbox_3d=[1, 2, np.nan, 1, 1, 1]),
    'negative size': box(bbox_3d=[1, 2, 3, 1, -1, 1]),
    'boxes of two lengths': box(bbox_3d=[*BOX, 0.1]),
    'no label': scene(instances=[dict(bbox_3d=BOX)]),
    'no points': scene(lidar_points=None),
    'path': scene(lidar_points=dict(lidar_path=7)),
    'scaled': scene(axis_align_matrix=2 * np.eye(4)),
    'about x': scene(axis_align_matrix=np.eye(4)[[0, 2, 1, 3]]),
    'mirrored': scene(axis_align_matrix=np.diag([1, -1, 1, 1])),
}


@pytest.mark.parametrize('name', WRONG)
def test_wrong_scenes_are_named(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, scene(), WRONG[name])
    with pytest.raises(BadSampleError, match='scene 1 of data_list') as caught:
        read_scene_infos(path, 18)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ('content', 'fault'),
    [
        ([scene()], 'update_infos_to_v2.py'),
        (dict(data_list=4), 'int'),
        ('text', 'str'),
        (dict(data_list=[Path('/')]), 'pathlib'),
    ],
)
def test_other_pickles(tmp_path: Path, content: object, fault: str) -> None:
    with pytest.raises(BadSampleError, match=rf'infos\.pkl: .*{fault}'):
        read_scene_infos(write(tmp_path, content=content), 18)


def test_points(tmp_path: Path) -> None:
    path = tmp_path / 'scene.bin'
    rows = np.arange(24, dtype=np.float32).reshape(4, 6)
    rows.tofile(path)
    read = read_scene_points(str(path))
    assert read.dtype == np.float32
    assert np.array_equal(read, rows)
    assert read_scene_points(str(path), 3).shape == (8, 3)
    rows[2, 4] = np.nan
    rows.tofile(path)
    assert read_scene_points(str(path), use_dim=3).shape == (4, 6)
    path.write_bytes(b'')
    assert read_scene_points(str(path), may_be_empty=True).shape == (0, 6)


NANS = np.full(12, np.nan, np.float32).tobytes()


@pytest.mark.parametrize('data', [b'', b'1' * 25, b'1' * 28, NANS, None])
def test_damaged_points(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / 'scene.bin'
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(BadSampleError, match=r'scene\.bin: '):
        read_scene_points(str(path))


def test_masks(tmp_path: Path) -> None:
    path = tmp_path / 'mask.bin'
    np.array([0, 40, 7], np.int64).tofile(path)
    mask = read_scene_mask(str(path), 3, 41)
    assert mask.tolist() == [0, 40, 7]
    assert mask.dtype == np.int64
    with pytest.raises(BadSampleError, match='a scene: '):
        read_scene_mask('', 2)


@pytest.mark.parametrize(
    ('values', 'arguments'),
    [
        (np.int64([0, 40, 7]), (4,)),
        (np.int64([0, 40, 7]), (3, 20)),
        (np.int64([5, -1]), (2,)),
        # int32 by mistake.
        (np.zeros(3, np.int32), (3,)),
    ],
)
def test_wrong_masks(
    tmp_path: Path, values: np.ndarray, arguments: tuple
) -> None:
    values.tofile(tmp_path / 'mask.bin')
    with pytest.raises(BadSampleError, match=r'mask\.bin: '):
        read_scene_mask(str(tmp_path / 'mask.bin'), *arguments)


def room_file(path: Path, dtype: str = 'float64') -> np.ndarray:
    rows = room_rows(300, np.random.default_rng(0))
    rows[:, :3] += [2, -3, 1]
    np.save(path, rows.astype(dtype))
    return rows


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
def test_room_is_mapped(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / 'Area_1_office_1.npy'
    rows = room_file(path, dtype)
    room = open_room(str(path), 13)
    assert isinstance(room.rows, np.memmap)
    assert room.rows.dtype == dtype
    np.testing.assert_array_equal(room.rows, rows.astype(dtype))
    np.testing.assert_allclose(room.low, rows[:, :3].min(0), rtol=1e-6)
    np.testing.assert_allclose(room.high, rows[:, :3].max(0), rtol=1e-6)
    assert room.label_counts.shape == (13,)
    assert room.label_counts.sum() == 300
    assert room.label_counts[12] == (rows[:, 6] == 12).sum()
    np.save(path, rows[:100])
    assert open_room(str(path), 13).label_counts.sum() == 100


def test_a_row_that_is_not_finite_is_named(tmp_path: Path) -> None:
    rows = room_file(tmp_path / 'a.npy')
    rows[250, 1] = np.inf
    np.save(tmp_path / 'a.npy', rows)
    with pytest.raises(BadSampleError, match='row 250'):
        open_room(str(tmp_path / 'a.npy'), 13)


ROWS = room_rows(20, np.random.default_rng(0))
ROOMS = {
    'whole numbers': np.zeros((5, 7), np.int64),
    'empty': np.zeros((0, 7)),
    'objects': np.array([{}]),
    'label 13': np.where(np.arange(7) == 6, 13, ROWS),
    'label 0.5': np.where(np.arange(7) == 6, 0.5, ROWS),
    'no bytes': b'',
    'absent': None,
}


@pytest.mark.parametrize('name', ROOMS)
def test_bad_rooms(tmp_path: Path, name: str) -> None:
    path, content = tmp_path / 'a.npy', ROOMS[name]
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)
    with pytest.raises(BadSampleError, match=r'a\.npy: '):
        open_room(str(path), 13)
    if content is None:
        room_file(path)
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(BadSampleError, match=r'a\.npy: '):
            map_rows(str(path))
