"""The tool that makes pairs of ScanNet's videos."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmdet3d_act.datasets import ScanNetFrames
from tests.rgbd_files import LOST, make_video, write_sens

from .loading import load_tool

tool = load_tool('dataset_converters.scannet_frames')
OPTIONS = ('--frame-stride', '2', '--min-points', '20')


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Three videos."""
    root = tmp_path / 'scans'
    for seed, name in enumerate(('scene0000_00', 'scene0001_00')):
        video = make_video(5, seed)
        video.poses[2] = LOST
        write_sens(root / name / f'{name}.sens', video)
    write_sens(root / 'scene0002_00.sens', make_video(3))
    return root


def _main(scans: Path, out: Path, *options: str) -> int:
    return tool.main([str(scans), str(out), *OPTIONS, *options])


@pytest.mark.parametrize('workers', ['1', '2'])
def test_pairs_that_can_be_read(
    scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture, workers: str
) -> None:
    out = tmp_path / 'scannet_frames'
    assert _main(scans, out, '--workers', workers) == 0
    printed = capsys.readouterr().out
    assert '6 pairs of 3 scenes' in printed
    assert 'left out: 2 frames with an invalid pose' in printed
    dataset = ScanNetFrames(str(out), 'all', frame_stride=2)
    assert len(dataset) == 6
    assert dataset.skipped == {'frames with an invalid pose': 2}


@pytest.mark.parametrize('workers', ['1', '2'])
def test_the_others_do_not_wait_for_an_unreadable_scene(
    scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture, workers: str
) -> None:
    path = scans / 'scene0000_00' / 'scene0000_00.sens'
    path.write_bytes(b'<html>')
    (scans / 'scene0002_00.sens').write_bytes(b'')
    out = tmp_path / 'out'
    assert _main(scans, out, '--workers', workers) == 2
    printed = capsys.readouterr()
    assert '2 pairs of 1 scene' in printed.out
    assert '2 scenes cannot be read' in printed.err
    assert f'{path}: ' in printed.err
    assert 'scene0002_00.sens: ' in printed.err
    assert 'the same command goes on' in printed.err
    assert [folder.name for folder in out.iterdir()] == ['scene0001_00']
