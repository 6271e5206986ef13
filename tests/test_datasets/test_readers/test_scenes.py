"""Scenes of the ScanNet format: what is read, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers.scenes import (
    read_scene_infos,
    read_scene_mask,
    read_scene_points,
)

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


def test_infos_with_boxes_only(tmp_path: Path) -> None:
    (info,) = read_scene_infos(write(tmp_path, scene()), 18)
    assert info['lidar_points']['lidar_path'] == 'scene0000_00.bin'
    assert info['instances'] == [dict(bbox_3d=BOX, bbox_label_3d=3)]
    assert info['pts_semantic_mask_path'] == ''
    assert info['pts_instance_mask_path'] == ''
    matrix = info['axis_align_matrix']
    assert matrix.dtype == np.float32
    # Exactly about z, as MMDetection3D compares it.
    assert matrix[2].tolist() == [0, 0, 1, 5]
    assert matrix[:, 2].tolist() == [0, 0, 1, 0]


def test_infos_with_masks_only(tmp_path: Path) -> None:
    bare = scene(
        instances=None,
        axis_align_matrix=None,
        pts_semantic_mask_path='scene0000_00.bin',
    )
    (info,) = read_scene_infos(write(tmp_path, bare), 20)
    assert info['instances'] == []
    assert np.array_equal(info['axis_align_matrix'], np.eye(4))
    assert info['pts_semantic_mask_path'] == 'scene0000_00.bin'


def box(**changes: object) -> dict:
    changed = dict(bbox_3d=BOX, bbox_label_3d=3) | changes
    return scene(instances=[dict(bbox_3d=BOX, bbox_label_3d=0), changed])


@pytest.mark.parametrize(
    ('wrong', 'fault'),
    [
        (box(bbox_label_3d=18), 'box 1 has the label 18, expected 0 to 17'),
        (box(bbox_label_3d=-2), 'box 1 has the label -2'),
        (box(bbox_3d=[1, 2, 3]), 'box 1 should be 6 or 7 finite numbers'),
        (box(bbox_3d=[1, 2, np.nan, 1, 1, 1]), 'box 1 should be 6 or 7'),
        (box(bbox_3d=[1, 2, 3, 1, -1, 1]), 'dz >= 0, got'),
        (box(bbox_3d=[*BOX, 0.1]), 'numbers, expected one'),
        (scene(instances=[dict(bbox_3d=BOX)]), "KeyError: 'bbox_label_3d'"),
        (scene(lidar_points=None), "KeyError: 'lidar_points'"),
        (scene(lidar_points=dict(lidar_path=7)), 'lidar_path is no text'),
        (scene(axis_align_matrix=np.eye(3)), r'should be \(4, 4\)'),
        (scene(axis_align_matrix=2 * np.eye(4)), 'a rotation about z'),
        (scene(axis_align_matrix=np.eye(4)[[0, 2, 1, 3]]), 'about z'),
        (scene(axis_align_matrix=np.diag([1, -1, 1, 1])), 'about z'),
        ('scene0000_00', 'scene 1 of its data_list is wrong: TypeError'),
    ],
)
def test_wrong_scenes_are_named(
    tmp_path: Path, wrong: object, fault: str
) -> None:
    path = write(tmp_path, scene(), wrong)
    with pytest.raises(BadSampleError, match=fault) as caught:
        read_scene_infos(path, 18)
    assert str(caught.value).startswith(f'{path}: scene 1 of its data_list')


def test_boxes_without_extent_are_fine(tmp_path: Path) -> None:
    flat = box(bbox_3d=[1, 2, 3, 0, 0, 0])
    (info,) = read_scene_infos(write(tmp_path, flat), 18)
    assert info['instances'][1]['bbox_3d'] == [1, 2, 3, 0, 0, 0]


@pytest.mark.parametrize(
    ('content', 'fault'),
    [
        ([scene()], 'update_infos_to_v2.py'),
        (dict(infos=[]), r"a dict with the keys \['infos'\]"),
        (dict(data_list=4), "a list 'data_list'"),
        ('text', 'got a str'),
    ],
)
def test_other_pickles(tmp_path: Path, content: object, fault: str) -> None:
    with pytest.raises(BadSampleError, match=fault):
        read_scene_infos(write(tmp_path, content=content), 18)


def test_code_in_a_pickle_is_not_run(tmp_path: Path) -> None:
    path = write(tmp_path, content=dict(data_list=[Path('/')]))
    with pytest.raises(BadSampleError, match='refused to load pathlib'):
        read_scene_infos(path, 18)
    (tmp_path / 'infos.pkl').write_bytes(b'\x80\x04trunc')
    with pytest.raises(BadSampleError, match='unreadable'):
        read_scene_infos(path, 18)
    with pytest.raises(BadSampleError, match=r'unreadable.*No such file'):
        read_scene_infos(str(tmp_path / 'absent.pkl'), 18)


def test_points(tmp_path: Path) -> None:
    path = tmp_path / 'scene.bin'
    rows = np.arange(24, dtype=np.float32).reshape(4, 6)
    rows.tofile(path)
    read = read_scene_points(str(path))
    assert read.dtype == np.float32
    assert np.array_equal(read, rows)
    assert read_scene_points(str(path), 3).shape == (8, 3)
    with pytest.raises(BadSampleError, match=r'rows of 7 .* 28 bytes, got 96'):
        read_scene_points(str(path), 7)


@pytest.mark.parametrize(
    ('data', 'fault'),
    [
        (b'', 'empty'),
        (b'1' * 25, 'not rows of 6 float32 .* of 24 bytes, got 25; copy it'),
        (b'1' * 28, 'truncated, or not rows of 6 .* make it again with'),
        (np.full(12, np.nan, np.float32).tobytes(), '2 of 2 points have NaN'),
    ],
)
def test_damaged_points(tmp_path: Path, data: bytes, fault: str) -> None:
    path = tmp_path / 'scene.bin'
    path.write_bytes(data)
    with pytest.raises(BadSampleError, match=fault):
        read_scene_points(str(path))
    with pytest.raises(BadSampleError, match='no file with its points'):
        read_scene_points(str(tmp_path / 'absent.bin'))


def test_masks(tmp_path: Path) -> None:
    path = tmp_path / 'mask.bin'
    np.array([0, 40, 7], np.int64).tofile(path)
    mask = read_scene_mask(str(path), 3, 41)
    assert mask.tolist() == [0, 40, 7]
    assert mask.dtype == np.int64
    with pytest.raises(BadSampleError, match='each of 4 points, got 3'):
        read_scene_mask(str(path), 4)
    with pytest.raises(BadSampleError, match=r'0 to 19, 1 are not, .* 40'):
        read_scene_mask(str(path), 3, 20)
    np.array([5, -1], np.int64).tofile(path)
    with pytest.raises(BadSampleError, match='0 to more, 1 are not'):
        read_scene_mask(str(path), 2)
    with pytest.raises(BadSampleError, match=r'^a scene: .* its labels'):
        read_scene_mask('', 2)
    # int32 by mistake.
    np.zeros(3, np.int32).tofile(path)
    with pytest.raises(BadSampleError, match=r'not int64 numbers: .* got 12'):
        read_scene_mask(str(path), 3)
