"""Frames of videos, written as ScanNet's exporter does."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets import BadSampleError
from mmdet3d_act.datasets.readers import frame_export as module
from mmdet3d_act.datasets.readers.frame_export import FrameExport
from mmdet3d_act.datasets.readers.frames import list_scenes, open_scene
from tests.rgbd_files import (
    LOST,
    color_data,
    make_video,
    write_exported,
    write_sens,
)


def _export(
    source: Path, folder: Path, stride: int = 2, min_points: int = 20
) -> FrameExport:
    return FrameExport(str(source), str(folder), stride, min_points)


@pytest.mark.parametrize(
    ('color', 'suffix'), [(0, 'png'), (1, 'png'), (2, 'jpg')]
)
def test_frames_come_back_bit_for_bit(
    tmp_path: Path, color: int, suffix: str
) -> None:
    video = make_video(7)
    video.poses[2] = LOST
    video.depths[4][:] = 0
    path = write_sens(tmp_path / 'a.sens', video, color=color)
    export = _export(path, tmp_path / 'out')
    export.export()
    assert export.report()['frames'] == [0, 6]
    assert export.report()['skipped'] == {
        'frames with an invalid pose': 1,
        'frames with next to no depth': 1,
    }
    assert export.report()['faults'] == []
    if color:
        data = (tmp_path / 'out' / 'color' / f'6.{suffix}').read_bytes()
        assert data == color_data(video, color)[6]
    source, written = open_scene(str(path)), open_scene(export.folder)
    skipped = Counter()
    entries = {e.number: e.place for e in source.entries(1, Counter())}
    for entry in written.entries(2, skipped):
        frame = written.frame(entry.place)
        original = source.frame(entries[entry.number])
        assert np.array_equal(frame.color(), original.color())
        assert np.array_equal(frame.depth(), original.depth())
        pose = frame.pose().astype(np.float32)
        assert pose.tobytes() == video.poses[entry.number].tobytes()
    assert sum(skipped.values()) == 2
    for one, other in zip(
        source.calibration, written.calibration, strict=True
    ):
        assert np.array_equal(np.float32(one), np.float32(other))


def test_depth_becomes_millimetres(tmp_path: Path) -> None:
    video = make_video(1)
    video.depths[0][0, :2] = 10001, 0
    path = write_sens(tmp_path / 'a.sens', video, shift=5000.0)
    export = _export(path, tmp_path / 'out')
    export.export()
    depth = open_scene(export.folder).frame('0').depth()
    assert depth[0, :2].tolist() == [2000, 0]
    assert np.abs(depth * 5.0 - video.depths[0]).max() <= 2.5


def test_exported_folders_are_thinned(tmp_path: Path) -> None:
    source = write_exported(tmp_path / 'a', make_video(3), [0, 1, 2])
    export = _export(source, tmp_path / 'out')
    export.export()
    names = sorted(p.name for p in (tmp_path / 'out' / 'color').iterdir())
    assert names == ['0.png', '2.png']
    for name in names:
        found = (tmp_path / 'out' / 'color' / name).read_bytes()
        assert found == (source / 'color' / name).read_bytes()


def test_a_truncated_file_gives_what_is_before_the_fault(
    tmp_path: Path,
) -> None:
    path = write_sens(tmp_path / 'a.sens', make_video(5))
    path.write_bytes(path.read_bytes()[:-600])
    export = _export(path, tmp_path / 'out', 1)
    export.export()
    assert export.report()['frames'] == [0, 1, 2, 3]
    (fault,) = export.report()['faults']
    assert 'a.sens: truncated' in fault
    path.write_bytes(b'nothing')
    with pytest.raises(BadSampleError, match='truncated'):
        _export(path.rename(tmp_path / 'b.sens'), tmp_path / 'b').export()


def test_damaged_frames_are_left_out(tmp_path: Path) -> None:
    source = write_exported(tmp_path / 'a', make_video(5), range(5))
    (source / 'color' / '1.png').write_bytes(b'x')
    (source / 'pose' / '2.txt').write_text('1 0 0')
    (source / 'pose' / '3.txt').write_text('')
    export = _export(source, tmp_path / 'out', 1)
    export.export()
    assert export.report()['frames'] == [0, 4]
    assert export.report()['skipped'] == {
        'damaged frames': 1,
        'frames with an invalid pose': 2,
    }
    assert '1.png' in export.report()['faults'][0]


def test_an_interrupted_export_is_no_scene(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_sens(tmp_path / 'a.sens', make_video(5))
    export = _export(path, tmp_path / 'out' / 'a', 1)
    write, written = module._write_frame, []

    def stop(frame, folder, number, min_points) -> bool:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(number)
        return write(frame, folder, number, min_points)

    monkeypatch.setattr(module, '_write_frame', stop)
    with pytest.raises(KeyboardInterrupt):
        export.export()
    assert len(list((tmp_path / 'out').rglob('*.jpg'))) == 2
    assert list_scenes(str(tmp_path / 'out')) == []
    assert not export.is_done()
    monkeypatch.setattr(module, '_write_frame', write)
    export.export()
    assert export.report()['frames'] == [0, 1, 2, 3, 4]
    assert [one.name for one in (tmp_path / 'out').iterdir()] == ['a']


def test_frames_of_others_are_not_replaced(tmp_path: Path) -> None:
    video = make_video(2)
    theirs = write_exported(tmp_path / 'out', video, [0, 1])
    path = write_sens(tmp_path / 'a.sens', video)
    with pytest.raises(FileExistsError, match='not converted by this tool'):
        _export(path, theirs).export()
    assert len(list((theirs / 'color').iterdir())) == 2


def test_when_a_scene_is_done(tmp_path: Path) -> None:
    path = write_sens(tmp_path / 'a.sens', make_video(3))
    export = _export(path, tmp_path / 'out')
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
