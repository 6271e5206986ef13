from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.synthetic.options import RoomSetOptions

from .loading import load_tool

tool = load_tool('dataset_converters.make_synthetic_scenes')

SMALL = [
    '--num-train=2',
    '--num-val=1',
    '--num-points=400',
    '--num-views=3',
    '--image-size',
    '48',
    '36',
    '--num-workers=1',
]


def test_writes_the_set_then_does_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert tool.main([str(tmp_path), *SMALL]) == 0
    said = capsys.readouterr().out
    assert '2 + 1 rooms (made up by procedure)' in said
    assert 'boxes: cabinet' in said
    assert 'fewer than 30 points' in said
    points = tmp_path / 'scannet' / 'points' / 'scene0001_00.bin'
    assert np.fromfile(points, np.float32).reshape(-1, 6).shape == (400, 6)
    assert tool.main([str(tmp_path), *SMALL]) == 0
    assert 'already complete' in capsys.readouterr().out


def test_rooms_are_added(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    tool.main([str(tmp_path), *SMALL])
    capsys.readouterr()
    assert tool.main([str(tmp_path), *SMALL, '--num-val=2']) == 0
    said = capsys.readouterr().out
    assert '3 of 4 rooms are there' in said
    assert '2 + 2 rooms (made up by procedure)' in said
    listed = tmp_path / 'scannet' / 'meta_data' / 'scannetv2_val.txt'
    assert listed.read_text() == 'scene5000_00\nscene5001_00\n'


def test_refuses_other_options_without_overwrite(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    tool.main([str(tmp_path), *SMALL])
    assert tool.main([str(tmp_path), *SMALL, '--no-frames']) == 2
    assert 'frames: True there, False now' in capsys.readouterr().err
    more = [str(tmp_path), *SMALL, '--no-frames', '--overwrite']
    assert tool.main(more) == 0
    assert not list((tmp_path / 'scannet_frames').rglob('*.jpg'))


def test_the_defaults_are_the_options_defaults() -> None:
    args = tool.parse_args([])
    assert tool.to_options(args) == RoomSetOptions()
    assert args.out_dir == 'data/synthetic'
