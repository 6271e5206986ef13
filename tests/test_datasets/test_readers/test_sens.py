"""Videos in ScanNet's `.sens` format."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers import sens as module
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
    make_video,
    write_sens,
)

# Bytes of version, name, four matrices.
SIZES_AT = 4 + 8 + len('StructureSensor') + 4 * 64
HEADER_BYTES = SIZES_AT + 4 * 7 + 8


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


def test_images_are_not_read_while_looking_for_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = make_video(6)
    path = write_sens(tmp_path / 'a.sens', video, color=0, depth=0)
    file = SensFile(str(path))
    taken = []

    def count(self: SensFile, stream: io.BufferedReader, n: int, what: str):
        taken.append(n)
        return stream.read(n)

    monkeypatch.setattr(SensFile, '_take', count)
    places = list(file.iter_places())
    assert taken == [96] * 6
    taken.clear()
    file.read_frame(places[3].offset)
    assert sum(taken) == 96 + places[3].color_bytes + places[3].depth_bytes


def test_truncated_in_every_part(tmp_path: Path) -> None:
    path = write_sens(tmp_path / 'a.sens', make_video(3))
    content = path.read_bytes()
    for length in (0, 3, 20, 100, HEADER_BYTES - 1):
        path.write_bytes(content[:length])
        with pytest.raises(BadSampleError, match=r'a\.sens: truncated: its h'):
            SensFile(str(path))
    places = []
    for length in (HEADER_BYTES, HEADER_BYTES + 95, HEADER_BYTES + 97):
        path.write_bytes(content[:length])
        with pytest.raises(BadSampleError, match='its frame 0 of 3'):
            places += SensFile(str(path)).iter_places()
    path.write_bytes(content[: -2 * 128 - 8 - 1])
    file = SensFile(str(path))
    with pytest.raises(BadSampleError, match=r'truncated .* frame 2 of 3'):
        places.extend(file.iter_places())
    assert len(places) == 2
    last = places[-1]
    end = last.offset + 96 + last.color_bytes + last.depth_bytes
    with pytest.raises(BadSampleError, match=f'its frame at byte {end} '):
        file.read_frame(end)


def test_more_frames_announced_than_there_are(tmp_path: Path) -> None:
    video = make_video(2)
    path = write_sens(tmp_path / 'a.sens', video, num_frames=1 << 40)
    with pytest.raises(BadSampleError, match='truncated'):
        list(SensFile(str(path)).iter_places())


@pytest.mark.parametrize(
    ('at', 'value', 'message'),
    [
        (0, struct.pack('<I', 3), 'version 4, got version 3; get the file'),
        (4, struct.pack('<Q', 1 << 60), 'looks like'),
        (SIZES_AT, struct.pack('<i', 7), 'colour compression 7'),
        (SIZES_AT + 4, struct.pack('<i', -1), 'depth compression -1'),
        (SIZES_AT + 8, struct.pack('<I', 0), r'images of \[0, '),
        (SIZES_AT + 16, struct.pack('<I', 1 << 31), 'images of'),
        (SIZES_AT + 24, struct.pack('<f', 0.0), 'depth shift of 0'),
        (SIZES_AT + 24, struct.pack('<f', np.nan), 'depth shift of nan'),
    ],
)
def test_corrupt_header(
    tmp_path: Path, at: int, value: bytes, message: str
) -> None:
    path = write_sens(tmp_path / 'a.sens', make_video(1))
    content = bytearray(path.read_bytes())
    content[at : at + len(value)] = value
    path.write_bytes(content)
    with pytest.raises(BadSampleError, match=message):
        SensFile(str(path))


def test_other_files(tmp_path: Path) -> None:
    path = tmp_path / 'a.sens'
    with pytest.raises(BadSampleError, match='does not exist'):
        SensFile(str(path))
    path.write_bytes(b'<html>not found</html>' * 100)
    with pytest.raises(BadSampleError, match='looks like a web page'):
        SensFile(str(path))


def test_corrupt_sizes_of_a_frame(tmp_path: Path) -> None:
    path = write_sens(tmp_path / 'a.sens', make_video(2))
    content = bytearray(path.read_bytes())
    at = HEADER_BYTES + 64 + 16
    content[at : at + 8] = struct.pack('<Q', 1 << 62)
    path.write_bytes(content)
    file = SensFile(str(path))
    with pytest.raises(BadSampleError, match=r'frame 0 of 2 has images of 46'):
        list(file.iter_places())
    with pytest.raises(BadSampleError, match='truncated'):
        file.read_frame(HEADER_BYTES)


def test_corrupt_images(tmp_path: Path) -> None:
    video = make_video(1)
    file = SensFile(str(write_sens(tmp_path / 'a.sens', video)))
    (place,) = file.iter_places()
    frame, header = file.read_frame(place.offset), file.header
    wide = header._replace(depth_shape=(12, 20))
    faults = {
        'corrupt depth image': (decode_depth, b'x' + frame.depth, header),
        'truncated depth image': (decode_depth, frame.depth[:-9], header),
        'truncated depth image: .* of 480': (decode_depth, b'', wide),
        'expected 480 bytes .* got 384': (decode_depth, frame.depth, wide),
        'expected 2304 bytes': (
            decode_color,
            b'12',
            header._replace(color_compression='raw'),
        ),
        'unreadable: .* got a JPEG': (
            decode_color,
            frame.color[: len(frame.color) // 2],
            header,
        ),
        r'expected a colour image of \(30, 30\)': (
            decode_color,
            frame.color,
            header._replace(color_shape=(30, 30)),
        ),
        'compression of Occipital': (
            decode_depth,
            frame.depth,
            header._replace(depth_compression='occi_ushort'),
        ),
    }
    for message, (decode, data, head) in faults.items():
        with pytest.raises(BadSampleError, match=message):
            decode(data, head, 'frame 0')


def test_a_depth_image_is_not_inflated_without_end() -> None:
    bomb = module.zlib.compress(bytes(10_000_000))
    header = module.SensHeader(
        '', *[np.eye(4)] * 4, 'raw', 'zlib_ushort', (2, 2), (2, 2), 1000.0, 1
    )
    with pytest.raises(BadSampleError, match=r'expected 8 bytes .* got 9 or'):
        decode_depth(bomb, header, 'frame 0')
