"""Pictures, and frames of exported folders and `.sens` files alike."""

from __future__ import annotations

import json
import struct
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers.frames import (
    FRAME_LIST,
    RecordedScene,
    find_scene,
    list_scenes,
    open_scene,
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
    color_data,
    encode,
    make_video,
    write_exported,
    write_sens,
)

# Bytes of version, name, four matrices; then the sizes.
SIZES_AT = 4 + 8 + len('StructureSensor') + 4 * 64
HEADER_BYTES = SIZES_AT + 4 * 7 + 8


def list_entries(path: Path, stride: int = 1) -> tuple[list[int], Counter]:
    skipped = Counter()
    entries = open_scene(str(path)).entries(stride, skipped)
    return [entry.number for entry in entries], skipped


def test_colours_from_file_and_bytes(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    path = tmp_path / 'a.png'
    path.write_bytes(encode(image, 'PNG'))
    for source in (str(path), path.read_bytes()):
        assert np.array_equal(read_image(source, 'a'), image)
        assert read_image_size(source, 'a') == (5, 7)
    grey = encode(image[..., 0], 'PNG')
    assert np.array_equal(read_image(grey, 'a')[..., 2], image[..., 0])


def test_transparent_parts_take_the_background() -> None:
    image = np.zeros((1, 3, 4), np.uint8)
    image[0, :, 3] = 0, 255, 51
    rows = read_image(encode(image, 'PNG'), 'a')[0]
    assert rows[:, 0].tolist() == [255, 0, 204]
    rows = read_image(encode(image, 'PNG'), 'a', (10, 20, 30))[0]
    assert rows[0].tolist() == [10, 20, 30]


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


@pytest.mark.parametrize('form', ['folder', (0, 0), (1, 1), (2, 1)])
def test_frames_of_both_formats(tmp_path: Path, form: object) -> None:
    """Colours raw, as PNG and as JPEG; depth raw and deflated."""
    video = make_video(6)
    video.poses[4] = LOST
    if form == 'folder':
        path = write_exported(tmp_path / 'a', video, range(6))
    else:
        color, depth = form
        path = tmp_path / 'a.sens'
        write_sens(path, video, color=color, depth=depth)
    assert list_entries(path, 2) == (
        [0, 2],
        {'frames with an invalid pose': 1},
    )
    scene = open_scene(str(path))
    for entry in scene.entries(2, Counter()):
        frame, number = scene.frame(entry.place), entry.number
        data, suffix = frame.color_file()
        if form not in ('folder', (1, 1)):
            assert data == color_data(video, form[0])[number]
        if suffix == '.jpg':
            video.colors[number] = read_image(data, 'a')
        assert np.array_equal(frame.color(), video.colors[number])
        assert frame.color_shape() == COLOR_SHAPE
        assert frame.depth().dtype == np.uint16
        assert np.array_equal(frame.depth(), video.depths[number])
        np.testing.assert_allclose(frame.pose(), video.poses[number])
    for camera, matrix in video.intrinsics.items():
        found = getattr(scene.calibration, f'{camera}_intrinsic')
        np.testing.assert_allclose(found, matrix)
        found = getattr(scene.calibration, f'{camera}_extrinsic')
        assert np.array_equal(found, np.eye(4))
    assert scene.calibration.depth_scale == 1000.0


def test_frames_of_a_folder_are_ordered_and_whole(tmp_path: Path) -> None:
    numbers = [100, 25, 3, 7, 8]
    folder = write_exported(tmp_path / 'a', make_video(5), numbers)
    (folder / 'color' / 'thumbs.db').write_bytes(b'')
    (folder / 'depth' / '3.png').unlink()
    (folder / 'pose' / '7.txt').write_text('no numbers')
    (folder / 'pose' / '8.txt').unlink()
    assert list_entries(folder) == (
        [25, 100],
        {'frames without depth or pose': 2, 'frames with an invalid pose': 1},
    )


def test_list_of_frames(tmp_path: Path) -> None:
    video = make_video(6)
    video.poses[2] = LOST
    folder = write_exported(tmp_path / 'a', video, range(6))
    content = dict(frames=[0, 2], skipped=dict(dark=7), frame_stride=2)
    (folder / FRAME_LIST).write_text(json.dumps(content))
    assert list_entries(folder, 2) == ([0, 2], dict(dark=7))
    with pytest.raises(ValueError, match='frame_stride'):
        list_entries(folder, 3)
    (folder / FRAME_LIST).write_text('[1]')
    with pytest.raises(BadSampleError, match=FRAME_LIST):
        list_entries(folder, 2)


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
        open_scene(str(folder))


def test_where_scenes_are(tmp_path: Path) -> None:
    video = make_video(1)
    write_exported(tmp_path / 'b', video, [0])
    write_sens(tmp_path / 'a' / 'a.sens', video)
    write_sens(tmp_path / 'c.sens', video)
    (tmp_path / 'empty').mkdir()
    assert list_scenes(str(tmp_path)) == ['a', 'b', 'c']
    assert find_scene(str(tmp_path), 'a').endswith('a/a.sens')
    assert find_scene(str(tmp_path), 'empty') is None


def test_sens_truncated_in_every_part(tmp_path: Path) -> None:
    path = write_sens(tmp_path / 'a.sens', make_video(3))
    content = path.read_bytes()
    for length in (0, 3, 20, 100, HEADER_BYTES - 1):
        path.write_bytes(content[:length])
        with pytest.raises(BadSampleError, match=r'a\.sens: '):
            RecordedScene(str(path))
    for length in (HEADER_BYTES, HEADER_BYTES + 95, HEADER_BYTES + 97):
        path.write_bytes(content[:length])
        with pytest.raises(BadSampleError, match='frame 0 of 3'):
            list(RecordedScene(str(path)).entries(1, Counter()))
    path.write_bytes(content[: -2 * 128 - 8 - 1])
    scene, found = RecordedScene(str(path)), []
    with pytest.raises(BadSampleError, match=r'a\.sens: .*frame 2 of 3'):
        found.extend(scene.entries(1, Counter()))
    entries = scene.entries(1, Counter())
    assert [next(entries).number, next(entries).number] == [0, 1]
    with pytest.raises(BadSampleError, match='frame at byte 300 '):
        scene.read_frame(300)


@pytest.mark.parametrize(
    ('at', 'value'),
    [
        (0, struct.pack('<I', 3)),
        (4, struct.pack('<Q', 1 << 60)),
        (SIZES_AT, struct.pack('<i', 7)),
        (SIZES_AT + 4, struct.pack('<i', -1)),
        (SIZES_AT + 8, struct.pack('<I', 0)),
        (SIZES_AT + 16, struct.pack('<I', 1 << 31)),
        (SIZES_AT + 24, struct.pack('<f', 0.0)),
        (SIZES_AT + 24, struct.pack('<f', np.nan)),
        (SIZES_AT - 4, struct.pack('<f', 9.0)),
        (0, b'<html>not found</html>' * 20),
        # Number of frames; bytes of the first colour image.
        (HEADER_BYTES - 8, struct.pack('<Q', 1 << 40)),
        (HEADER_BYTES + 64 + 16, struct.pack('<Q', 1 << 62)),
    ],
)
def test_corrupt_sens(tmp_path: Path, at: int, value: bytes) -> None:
    path = write_sens(tmp_path / 'a.sens', make_video(1))
    content = bytearray(path.read_bytes())
    content[at : at + len(value)] = value
    path.write_bytes(content)
    with pytest.raises(BadSampleError, match=r'a\.sens'):
        list(RecordedScene(str(path)).entries(1, Counter()))


# Depth of 12 x 16 pixels, colours of 24 x 32.
BLANK = Image.fromarray(np.zeros((30, 30, 3), np.uint8))
IMAGES = {
    'no deflated data': (1, 1, b'\x89PNG', b'x' * 99),
    'truncated depth': (1, 1, b'', zlib.compress(bytes(384))[:-9]),
    'short depth': (1, 1, b'', zlib.compress(bytes(380))),
    'deflated without end': (1, 1, b'', zlib.compress(bytes(10**7))),
    'raw depth': (1, 0, b'', bytes(383)),
    'occipital': (1, 2, b'', bytes(384)),
    'raw colours': (0, 1, bytes(12), b''),
    'no picture': (1, 1, b'12', b''),
    'another size': (1, 1, encode(np.array(BLANK), 'PNG'), b''),
}


@pytest.mark.parametrize('name', IMAGES)
def test_corrupt_images_of_sens(tmp_path: Path, name: str) -> None:
    color, depth, color_bytes, depth_bytes = IMAGES[name]
    path = write_sens(tmp_path / 'a.sens', make_video(1), color=color)
    content = bytearray(path.read_bytes()[: HEADER_BYTES + 80])
    content[SIZES_AT + 4 : SIZES_AT + 8] = struct.pack('<i', depth)
    content += struct.pack('<QQ', len(color_bytes), len(depth_bytes))
    path.write_bytes(content + color_bytes + depth_bytes)
    frame = RecordedScene(str(path)).frame(HEADER_BYTES)
    read = frame.depth if depth_bytes else frame.color
    with pytest.raises(BadSampleError, match=r'a\.sens, frame at byte'):
        read()
