"""Images of frames, and videos in ScanNet's `.sens` format."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers.images import (
    read_depth_image,
    read_image,
    read_image_size,
)
from mmdet3d_act.datasets.readers.sens import (
    SensFile,
    decode_color,
    decode_color_size,
    decode_depth,
)
from tests.rgbd_files import (
    COLOR_SHAPE,
    DEPTH_SHAPE,
    LOST,
    color_data,
    encode,
    make_video,
    write_sens,
)

# Bytes of version, name, four matrices.
SIZES_AT = 4 + 8 + len('StructureSensor') + 4 * 64
HEADER_BYTES = SIZES_AT + 4 * 7 + 8


def test_colours_from_file_and_bytes(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    path = tmp_path / 'a.png'
    path.write_bytes(encode(image, 'PNG'))
    for source in (str(path), path.read_bytes()):
        assert np.array_equal(read_image(source, 'a'), image)
        assert read_image_size(source, 'a') == (5, 7)


def test_transparent_parts_become_white() -> None:
    image = np.zeros((1, 3, 4), np.uint8)
    image[0, :, 3] = 0, 255, 51
    rows = read_image(encode(image, 'PNG'), 'a')[0]
    assert rows[:, 0].tolist() == [255, 0, 204]
    rows = read_image(encode(image, 'PNG'), 'a', (10, 20, 30))[0]
    assert rows[0].tolist() == [10, 20, 30]


def test_grey_and_palette_become_colours() -> None:
    grey = np.array([[0, 100, 200]], np.uint8)
    assert read_image(encode(grey, 'PNG'), 'a')[0, 1].tolist() == [100] * 3
    content = io.BytesIO()
    Image.fromarray(grey).convert('P').save(content, 'PNG')
    assert read_image(content.getvalue(), 'a')[0, 2].tolist() == [200] * 3


def test_depth_keeps_all_16_bits() -> None:
    depth = np.array([[0, 1, 255, 256, 40000, 65535]], np.uint16)
    found = read_depth_image(encode(depth, 'PNG'), 'a')
    assert found.dtype == np.uint16
    assert np.array_equal(found, depth)


def test_depth_of_8_bits() -> None:
    content = encode(np.zeros((2, 2), np.uint8), 'PNG')
    with pytest.raises(BadSampleError, match=r'a: .*16 bits'):
        read_depth_image(content, 'a')


@pytest.mark.parametrize('read', [read_image, read_depth_image])
def test_files_that_are_no_images(tmp_path: Path, read: object) -> None:
    path = tmp_path / 'a.png'
    depth = np.random.default_rng(0).integers(0, 65535, (40, 40))
    whole = encode(depth.astype(np.uint16), 'PNG')
    for content in (None, b'', b'some words', whole[: len(whole) // 2]):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(BadSampleError, match=r'a\.png: '):
            read(str(path), str(path))


def test_an_image_does_not_fill_the_memory(tmp_path: Path) -> None:
    content = encode(np.zeros((9000, 9000), np.uint8), 'PNG')
    assert len(content) < 10**5
    with pytest.raises(BadSampleError, match=r'a: .*fill the memory'):
        read_image(content, 'a')


@pytest.mark.parametrize('color', [0, 1, 2])
@pytest.mark.parametrize('depth', [0, 1])
def test_every_bit_comes_back(tmp_path: Path, color: int, depth: int) -> None:
    video = make_video(5)
    path = write_sens(tmp_path / 'a.sens', video, color=color, depth=depth)
    file = SensFile(str(path))
    header = file.header
    assert header.sensor_name == 'StructureSensor'
    assert header.num_frames == 5
    assert header.depth_shift == 1000.0
    assert header.color_shape == COLOR_SHAPE
    assert header.depth_shape == DEPTH_SHAPE
    for camera, matrix in video.intrinsics.items():
        found = getattr(header, f'intrinsic_{camera}')
        assert found.tobytes() == matrix.tobytes()
        assert np.array_equal(
            getattr(header, f'extrinsic_{camera}'), np.eye(4)
        )
    places = list(file.iter_places())
    assert len(places) == 5
    for index, data in enumerate(color_data(video, color)):
        frame = file.read_frame(places[index].offset)
        assert frame.pose.tobytes() == video.poses[index].tobytes()
        assert (frame.color_time, frame.depth_time) == (
            10 * index,
            10 * index + 1,
        )
        assert frame.color == data
        found = decode_depth(frame.depth, header, 'a')
        assert found.dtype == np.uint16
        assert np.array_equal(found, video.depths[index])
        image = decode_color(frame.color, header, 'a')
        expected = video.colors[index]
        if color == 2:
            expected = np.array(Image.open(io.BytesIO(data)))
        assert np.array_equal(image, expected)
        assert decode_color_size(frame.color, header, 'a') == COLOR_SHAPE


def test_a_lost_pose_is_read_as_it_is(tmp_path: Path) -> None:
    video = make_video(2)
    video.poses[1] = LOST
    file = SensFile(str(write_sens(tmp_path / 'a.sens', video)))
    assert np.isneginf([p.pose for p in file.iter_places()][1]).all()


def test_truncated_in_every_part(tmp_path: Path) -> None:
    path = write_sens(tmp_path / 'a.sens', make_video(3))
    content = path.read_bytes()
    for length in (0, 3, 20, 100, HEADER_BYTES - 1):
        path.write_bytes(content[:length])
        with pytest.raises(BadSampleError, match=r'a\.sens: truncated'):
            SensFile(str(path))
    places = []
    for length in (HEADER_BYTES, HEADER_BYTES + 95, HEADER_BYTES + 97):
        path.write_bytes(content[:length])
        with pytest.raises(BadSampleError, match='frame 0 of 3'):
            places += SensFile(str(path)).iter_places()
    path.write_bytes(content[: -2 * 128 - 8 - 1])
    file = SensFile(str(path))
    with pytest.raises(BadSampleError, match=r'a\.sens: .*frame 2 of 3'):
        places.extend(file.iter_places())
    assert len(places) == 2
    last = places[-1]
    end = last.offset + 96 + last.color_bytes + last.depth_bytes
    with pytest.raises(BadSampleError, match=f'frame at byte {end} '):
        file.read_frame(end)


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
        (0, b'<html>not found</html>' * 20),
    ],
)
def test_corrupt_header(tmp_path: Path, at: int, value: bytes) -> None:
    path = write_sens(tmp_path / 'a.sens', make_video(1))
    content = bytearray(path.read_bytes())
    content[at : at + len(value)] = value
    path.write_bytes(content)
    with pytest.raises(BadSampleError, match=r'a\.sens: '):
        SensFile(str(path))
    with pytest.raises(BadSampleError, match=r'b\.sens: '):
        SensFile(str(tmp_path / 'b.sens'))


def test_corrupt_sizes_of_a_frame(tmp_path: Path) -> None:
    many = write_sens(tmp_path / 'b.sens', make_video(2), num_frames=1 << 40)
    path = write_sens(tmp_path / 'a.sens', make_video(2))
    content = bytearray(path.read_bytes())
    at = HEADER_BYTES + 64 + 16
    content[at : at + 8] = struct.pack('<Q', 1 << 62)
    path.write_bytes(content)
    for name in (many, path):
        with pytest.raises(BadSampleError, match='truncated or corrupt'):
            list(SensFile(str(name)).iter_places())
    with pytest.raises(BadSampleError, match='truncated or corrupt'):
        SensFile(str(path)).read_frame(HEADER_BYTES)


def test_corrupt_images(tmp_path: Path) -> None:
    video = make_video(1)
    file = SensFile(str(write_sens(tmp_path / 'a.sens', video)))
    (place,) = file.iter_places()
    frame, header = file.read_frame(place.offset), file.header
    wide = header._replace(depth_shape=(12, 20))
    raw = header._replace(color_compression='raw')
    square = header._replace(color_shape=(30, 30))
    occipital = header._replace(depth_compression='occi_ushort')
    # Not inflated without end.
    bomb, tiny = zlib.compress(bytes(10**7)), wide._replace(depth_shape=(2, 2))
    for decode, data, head in (
        (decode_depth, b'x' + frame.depth, header),
        (decode_depth, frame.depth[:-9], header),
        (decode_depth, b'', wide),
        (decode_depth, frame.depth, wide),
        (decode_depth, frame.depth, occipital),
        (decode_depth, bomb, tiny),
        (decode_color, b'12', raw),
        (decode_color, frame.color[: len(frame.color) // 2], header),
        (decode_color, frame.color, square),
        (decode_color_size, frame.color, square),
    ):
        with pytest.raises(BadSampleError, match='frame 0: '):
            decode(data, head, 'frame 0')
