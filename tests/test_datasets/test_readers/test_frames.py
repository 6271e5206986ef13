"""Scenes of frames: exported folders and `.sens` files alike."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers.frames import (
    FRAME_LIST,
    check_camera,
    find_scene,
    list_scenes,
    open_scene,
    read_matrix,
)
from tests.rgbd_files import (
    LOST,
    Video,
    make_video,
    write_exported,
    write_sens,
)

NUMBERS = range(0, 6)


def both(root: Path, video: Video) -> list[str]:
    exported = write_exported(root / 'folder', video, NUMBERS)
    return [
        str(exported),
        str(write_sens(root / 'file.sens', video, color=1)),
    ]


def test_both_formats_give_the_same(tmp_path: Path) -> None:
    video = make_video(6)
    video.poses[4] = LOST
    numbers = {}
    for path in both(tmp_path, video):
        scene, skipped = open_scene(path), Counter()
        for entry in scene.entries(2, skipped):
            frame = scene.frame(entry.place)
            assert np.array_equal(frame.color(), video.colors[entry.number])
            assert np.array_equal(frame.depth(), video.depths[entry.number])
            assert frame.color_shape() == (24, 32)
            np.testing.assert_allclose(frame.pose(), video.poses[entry.number])
            numbers.setdefault(path, []).append(entry.number)
        assert skipped == {'frames with an invalid pose': 1}
        for camera, matrix in video.intrinsics.items():
            np.testing.assert_allclose(
                getattr(scene.calibration, f'{camera}_intrinsic'), matrix
            )
        assert scene.calibration.depth_scale == 1000.0
    assert list(numbers.values()) == [[0, 2], [0, 2]]


def test_frames_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = write_exported(tmp_path / 'a', make_video(3), [100, 25, 3])
    (folder / 'color' / 'thumbs.db').write_bytes(b'')
    (folder / 'depth' / '3.png').unlink()
    (folder / 'pose' / '25.txt').rename(folder / 'pose' / '000.txt')
    skipped = Counter()
    (entry,) = open_scene(str(folder)).entries(1, skipped)
    assert entry.number == 100
    assert skipped == {'frames without depth or pose': 2}


@pytest.mark.parametrize('content', ['', '1 0 0 0\n', 'no numbers'])
def test_a_damaged_pose_leaves_the_other_frames(
    tmp_path: Path, content: str
) -> None:
    folder = write_exported(tmp_path / 'a', make_video(3), range(3))
    (folder / 'pose' / '1.txt').write_text(content)
    skipped = Counter()
    entries = open_scene(str(folder)).entries(1, skipped)
    assert [entry.number for entry in entries] == [0, 2]
    assert skipped == {'frames with an invalid pose': 1}


def test_list_of_frames(tmp_path: Path) -> None:
    video = make_video(6)
    video.poses[2] = LOST
    folder = write_exported(tmp_path / 'a', video, NUMBERS)
    content = dict(frames=[0, 2], skipped=dict(dark=7), frame_stride=2)
    (folder / FRAME_LIST).write_text(json.dumps(content))
    skipped = Counter()
    scene = open_scene(str(folder))
    assert [e.number for e in scene.entries(2, skipped)] == [0, 2]
    assert skipped == dict(dark=7)
    with pytest.raises(ValueError, match='frame_stride'):
        list(scene.entries(3, skipped))
    (folder / FRAME_LIST).write_text('[1]')
    with pytest.raises(BadSampleError, match=FRAME_LIST):
        list(scene.entries(2, skipped))


def test_missing_intrinsics(tmp_path: Path) -> None:
    folder = write_exported(tmp_path / 'a', make_video(1), [0])
    (folder / 'intrinsic' / 'intrinsic_depth.txt').unlink()
    with pytest.raises(BadSampleError, match=r'intrinsic_depth\.txt: .* not'):
        open_scene(str(folder))


MATRICES = ['1 2 3', 'a b', '1 ' * 15 + 'x', '1 ' * 17, '', None]


@pytest.mark.parametrize('text', MATRICES)
def test_matrices(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / 'a.txt'
    path.write_text('1 0 0 -inf\n0 1e0 0 2\n0 0 1 .5\n0 0 0 1\n')
    matrix = read_matrix(str(path))
    assert matrix[0, 3] == -np.inf
    assert matrix[2].tolist() == [0, 0, 1, 0.5]
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(BadSampleError, match=r'a\.txt: '):
        read_matrix(str(path))


def test_cameras() -> None:
    check_camera(np.eye(4), 'extrinsic', 'a')
    check_camera(np.diag([500.0, 500, 1, 1]), 'intrinsic', 'a')
    with pytest.raises(BadSampleError, match='a: '):
        check_camera(np.diag([2.0, 1, 1, 1]), 'extrinsic', 'a')
    with pytest.raises(BadSampleError, match='a: '):
        check_camera(np.diag([0.0, 500, 1, 1]), 'intrinsic', 'a')


def test_where_scenes_are(tmp_path: Path) -> None:
    video = make_video(1)
    write_exported(tmp_path / 'b', video, [0])
    write_sens(tmp_path / 'a' / 'a.sens', video)
    write_sens(tmp_path / 'c.sens', video)
    (tmp_path / 'empty').mkdir()
    assert list_scenes(str(tmp_path)) == ['a', 'b', 'c']
    assert find_scene(str(tmp_path), 'a').endswith('a/a.sens')
    assert find_scene(str(tmp_path), 'empty') is None
