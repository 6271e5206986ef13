"""ScanNet's videos, read and written as its exporter does."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets import BadSampleError
from mmdet3d_act.datasets.readers.frames import (
    depth_and_pose,
    list_frames,
    list_scenes,
    read_calibration,
    read_matrix,
)
from mmdet3d_act.datasets.readers.images import read_depth_image
from tests.rgbd_files import (
    LOST,
    color_data,
    encode,
    make_video,
    write_sens,
)

from .loading import load_tool

sens = load_tool('dataset_converters.sens')

# Bytes of version, name, four matrices; then the sizes.
SIZES_AT = 4 + 8 + len('StructureSensor') + 4 * 64
HEADER_BYTES = SIZES_AT + 4 * 7 + 8


def export_of(
    source: Path, folder: Path, stride: int = 2, min_points: int = 20
) -> sens.FrameExport:
    return sens.FrameExport(str(source), str(folder), stride, min_points)


def read_all(path: Path) -> list[int]:
    frames = sens.SensFile(str(path)).frames(1, Counter())
    return [frame.number for frame in frames]


@pytest.mark.parametrize(('color', 'suffix'), [(1, 'png'), (2, 'jpg')])
def test_frames_come_back_bit_for_bit(
    tmp_path: Path, color: int, suffix: str
) -> None:
    video = make_video(7)
    video.poses[2] = LOST
    video.depths[4][:] = 0
    path = write_sens(tmp_path / 'a.sens', video, color=color)
    export = export_of(path, tmp_path / 'out')
    export.export()
    assert export.report()['frames'] == [0, 6]
    assert export.report()['skipped'] == {
        'frames with an invalid pose': 1,
        'frames with next to no depth': 1,
    }
    assert export.report()['faults'] == []
    skipped = Counter()
    written = list_frames(export.folder, 2, skipped)
    assert [Path(one).name for one in written] == [
        f'0.{suffix}',
        f'6.{suffix}',
    ]
    assert sum(skipped.values()) == 2
    assert Path(written[1]).read_bytes() == color_data(video, color)[6]
    depth_path, pose_path = depth_and_pose(written[1])
    assert np.array_equal(read_depth_image(depth_path, 'a'), video.depths[6])
    pose = read_matrix(pose_path).astype(np.float32)
    assert pose.tobytes() == video.poses[6].tobytes()
    for one, other in zip(
        sens.SensFile(str(path)).calibration,
        read_calibration(export.folder),
        strict=True,
    ):
        assert np.array_equal(np.float32(one), np.float32(other))


def test_depth_becomes_millimetres(tmp_path: Path) -> None:
    video = make_video(1)
    video.depths[0][0, :2] = 10001, 0
    path = write_sens(tmp_path / 'a.sens', video, shift=5000.0)
    export_of(path, tmp_path / 'out').export()
    depth = read_depth_image(str(tmp_path / 'out' / 'depth' / '0.png'), 'a')
    assert depth[0, :2].tolist() == [2000, 0]
    assert np.abs(depth * 5.0 - video.depths[0]).max() <= 2.5


def test_truncated_and_damaged_videos(tmp_path: Path) -> None:
    path = write_sens(tmp_path / 'a.sens', make_video(5))
    content = path.read_bytes()
    path.write_bytes(content[:-600])
    export = export_of(path, tmp_path / 'out', 1)
    export.export()
    assert export.report()['frames'] == [0, 1, 2, 3]
    (fault,) = export.report()['faults']
    assert 'a.sens: truncated' in fault
    at = content.index(b'\xff\xd8\xff')
    path.write_bytes(content[:at] + bytes(9) + content[at + 9 :])
    export.export()
    assert export.report()['frames'] == [1, 2, 3, 4]
    assert export.report()['skipped'] == {'damaged frames': 1}
    for length in (0, 3, 20, 100, HEADER_BYTES - 1):
        path.write_bytes(content[:length])
        with pytest.raises(BadSampleError, match=r'a\.sens: '):
            export.export()
    for length in (HEADER_BYTES, HEADER_BYTES + 95, HEADER_BYTES + 97):
        path.write_bytes(content[:length])
        with pytest.raises(BadSampleError, match='frame 0 of 5'):
            read_all(path)


@pytest.mark.parametrize(
    ('at', 'value'),
    [
        (0, struct.pack('<I', 3)),
        (SIZES_AT, struct.pack('<i', 7)),
        (SIZES_AT + 4, struct.pack('<i', 2)),
        (SIZES_AT + 16, struct.pack('<I', 1 << 31)),
        (SIZES_AT + 24, struct.pack('<f', 0.0)),
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
        read_all(path)


# Depth of 12 x 16 pixels, colours of 24 x 32.
IMAGES = {
    'no deflated data': (b'\x89PNG', b'x' * 99),
    'truncated depth': (b'c', zlib.compress(bytes(384))[:-9]),
    'deflated without end': (b'c', zlib.compress(bytes(10**7))),
    'no picture': (b'12', b''),
    'another size': (encode(np.zeros((30, 30, 3), 'u1'), 'PNG'), b''),
}


@pytest.mark.parametrize('name', IMAGES)
def test_corrupt_images(tmp_path: Path, name: str) -> None:
    color_bytes, depth_bytes = IMAGES[name]
    path = write_sens(tmp_path / 'a.sens', make_video(1))
    content = path.read_bytes()[: HEADER_BYTES + 80]
    stored = depth_bytes or b'd'
    content += struct.pack('<QQ', len(color_bytes), len(stored))
    path.write_bytes(content + color_bytes + stored)
    video = sens.SensFile(str(path))
    (frame,) = video.frames(1, Counter())
    decode = video.decode_depth if depth_bytes else video.decode_color
    with pytest.raises(BadSampleError, match=r'a\.sens, frame 0'):
        decode(frame)


def test_an_interrupted_export_is_no_scene(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_sens(tmp_path / 'a.sens', make_video(5))
    export = export_of(path, tmp_path / 'out' / 'a', 1)

    def stop(video, frame) -> None:
        if frame.number == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sens.SensFile, 'decode_color', stop)
        with pytest.raises(KeyboardInterrupt):
            export.export()
    assert len(list((tmp_path / 'out').rglob('*.jpg'))) == 2
    assert list_scenes(str(tmp_path / 'out')) == []
    assert not export.is_done()
    export.export()
    assert export.report()['frames'] == [0, 1, 2, 3, 4]
    assert [one.name for one in (tmp_path / 'out').iterdir()] == ['a']


def test_when_a_scene_is_done(tmp_path: Path) -> None:
    path = write_sens(tmp_path / 'b' / 'a.sens', make_video(3))
    assert sens.find_videos(str(tmp_path)) == dict(a=str(path))
    export = export_of(path, tmp_path / 'out')
    assert not export.is_done()
    export.export()
    assert export.is_done()
    assert not export._replace(frame_stride=3).is_done()
    assert not export._replace(min_points=3).is_done()
    (tmp_path / 'out' / 'frames.json').write_text('{')
    assert not export.is_done()
    export.export()
    path.write_bytes(path.read_bytes() + b'more')
    assert not export.is_done()
