from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.synthetic.room_set import RoomSet

from .loading import load_tool

tool = load_tool('dataset_converters.make_synthetic_scenes')

SMALL = [
    '--num-train=2', '--num-val=1', '--num-points=400', '--num-views=3',
    '--image-size', '48', '36', '--num-workers=1',
]  # fmt: skip


def test_writes_the_set_then_does_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert tool.main([str(tmp_path), *SMALL]) == 0
    said = capsys.readouterr().out
    assert '2 + 1 rooms (made up by procedure)' in said
    assert 'boxes: cabinet' in said
    points = tmp_path / 'scannet' / 'points' / 'scene0001_00.bin'
    assert np.fromfile(points, np.float32).reshape(-1, 6).shape == (400, 6)
    assert tool.main([str(tmp_path), *SMALL]) == 0
    assert 'already complete' in capsys.readouterr().out
    assert tool.main([str(tmp_path), *SMALL, '--no-frames']) == 2
    assert 'frames' in capsys.readouterr().err


def test_the_defaults_are_the_sets_defaults() -> None:
    args = tool.parse_args([])
    assert tool.to_set(args) == RoomSet()
    assert args.out_dir == 'data/synthetic'
