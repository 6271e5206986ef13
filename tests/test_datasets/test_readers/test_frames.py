"""Pictures, and the frames of exported folders."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers.frames import (
    FRAME_LIST,
    depth_and_pose,
    list_frames,
    list_scenes,
    read_calibration,
    read_matrix,
)
from mmdet3d_act.datasets.readers.images import (
    read_depth_image,
    read_image,
    read_image_size,
)
from tests.rgbd_files import (
    COLOR_SHAPE,
    LOST,
    encode,
    make_video,
    write_exported,
)


def list_numbers(path: Path, stride: int = 1) -> tuple[list[int], Counter]:
    skipped = Counter()
    frames = list_frames(str(path), stride, skipped)
    return [int(Path(frame).stem) for frame in frames], skipped


def test_colours_from_file_and_bytes(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    path = tmp_path / 'a.png'
    path.write_bytes(encode(image, 'PNG'))
    for source in (str(path), path.read_bytes()):
        assert np.array_equal(read_image(source, 'a'), image)
        assert read_image_size(source, 'a') == (5, 7)
    grey = encode(image[..., 0], 'PNG')
    assert np.array_equal(read_image(grey, 'a')[..., 2], image[..., 0])


def test_transparent_parts_become_white() -> None:
    image = np.zeros((1, 3, 4), np.uint8)
    image[0, :, 3] = 0, 255, 51
    rows = read_image(encode(image, 'PNG'), 'a')[0]
    assert rows[:, 0].tolist() == [255, 0, 204]


def test_depth_keeps_all_16_bits() -> None:
    depth = np.array([[0, 1, 255, 256, 40000, 65535]], np.uint16)
    found = read_depth_image(encode(depth, 'PNG'), 'a')
    assert found.dtype == np.uint16
    assert np.array_equal(found, depth)


@pytest.mark.parametrize('read', [read_image, read_depth_image])
def test_files_that_are_no_images(tmp_path: Path, read: object) -> None:
    path = tmp_path / 'a.png'
    depth = np.random.default_rng(0).integers(0, 65535, (40, 40), np.uint16)
    huge = encode(np.zeros((9000, 9000), np.uint8), 'PNG')
    whole = encode(depth, 'PNG')
    for content in (None, b'', b'words', whole[: len(whole) // 2], huge):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(BadSampleError, match=r'a\.png: '):
            read(str(path), str(path))
    with pytest.raises(BadSampleError, match='a: '):
        read_depth_image(encode(np.zeros((2, 2), np.uint8), 'PNG'), 'a')


def test_frames_of_a_folder(tmp_path: Path) -> None:
    video = make_video(5)
    folder = write_exported(tmp_path / 'a', video, [100, 25, 3, 7, 8])
    (folder / 'color' / 'thumbs.db').write_bytes(b'')
    (folder / 'depth' / '3.png').unlink()
    (folder / 'pose' / '7.txt').write_text('no numbers')
    (folder / 'pose' / '8.txt').unlink()
    assert list_numbers(folder) == (
        [25, 100],
        {'frames without depth or pose': 2, 'frames with an invalid pose': 1},
    )
    assert list_numbers(folder, 50)[0] == [100]
    color = list_frames(str(folder), 100, Counter())[0]
    assert np.array_equal(read_image(color, 'a'), video.colors[0])
    assert read_image_size(color, 'a') == COLOR_SHAPE
    depth, pose = depth_and_pose(color)
    assert np.array_equal(read_depth_image(depth, 'a'), video.depths[0])
    np.testing.assert_allclose(read_matrix(pose), video.poses[0])
    calibration = read_calibration(str(folder))
    for camera, matrix in video.intrinsics.items():
        found = getattr(calibration, f'{camera}_intrinsic')
        np.testing.assert_allclose(found, matrix)
        found = getattr(calibration, f'{camera}_extrinsic')
        assert np.array_equal(found, np.eye(4))


def test_list_of_frames(tmp_path: Path) -> None:
    video = make_video(6)
    video.poses[2] = LOST
    folder = write_exported(tmp_path / 'a', video, range(6))
    content = dict(frames=[0, 2], skipped=dict(dark=7), frame_stride=2)
    (folder / FRAME_LIST).write_text(json.dumps(content))
    assert list_numbers(folder, 2) == ([0, 2], dict(dark=7))
    with pytest.raises(ValueError, match='frame_stride'):
        list_numbers(folder, 3)
    (folder / FRAME_LIST).write_text('[1]')
    with pytest.raises(BadSampleError, match=FRAME_LIST):
        list_numbers(folder, 2)


@pytest.mark.parametrize(
    'text', ['1 2 3', 'a b', '1 ' * 15 + 'x', '1 ' * 17, '', None]
)
def test_matrices(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / 'a.txt'
    path.write_text('1 0 0 -inf\n0 1e0 0 2\n0 0 1 .5\n0 0 0 1\n')
    matrix = read_matrix(str(path))
    assert matrix[0, 3] == -np.inf
    assert matrix[2].tolist() == [0, 0, 1, 0.5]
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(BadSampleError, match=r'a\.txt: '):
        read_matrix(str(path))


@pytest.mark.parametrize(
    ('name', 'matrix'),
    [
        ('extrinsic_color', np.diag([2.0, 1, 1, 1])),
        ('intrinsic_depth', np.diag([0.0, 500, 1, 1])),
        ('intrinsic_color', None),
    ],
)
def test_cameras(tmp_path: Path, name: str, matrix: np.ndarray | None) -> None:
    folder = write_exported(tmp_path / 'a', make_video(1), [0])
    path = folder / 'intrinsic' / f'{name}.txt'
    path.unlink() if matrix is None else np.savetxt(path, matrix)
    with pytest.raises(BadSampleError, match=f'{name}.txt: '):
        read_calibration(str(folder))


def test_where_scenes_are(tmp_path: Path) -> None:
    for name in ('b', 'a', 'c.part'):
        write_exported(tmp_path / name, make_video(1), [0])
    (tmp_path / 'empty').mkdir()
    assert list_scenes(str(tmp_path)) == ['a', 'b']
