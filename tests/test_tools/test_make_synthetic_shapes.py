from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.synthetic.shape_scan import ScanOptions

from .loading import load_tool

tool = load_tool('dataset_converters.make_synthetic_shapes')

SMALL = [
    '--num-pretrain=3', '--num-pretrain-test=1', '--num-train-per-class=2',
    '--num-val-per-class=1', '--num-test-per-class=1', '--num-points=48',
    '--num-workers=1', '--categories', 'chair', 'mug',
]  # fmt: skip


def test_writes_the_set_then_does_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert tool.main([str(tmp_path), *SMALL]) == 0
    said = capsys.readouterr().out
    assert '  12 of 12 clouds (100%), took' in said
    assert 'made up by procedure' in said
    root = tmp_path / 'ShapeNet55-34'
    listed = (root / 'ShapeNet-55' / 'train.txt').read_text().split()
    assert len(listed) == 3
    for name in listed:
        assert np.load(root / 'shapenet_pc' / name).shape == (48, 3)
    labelled = sorted((tmp_path / 'procscan').glob('*/*/*.npy'))
    assert len(labelled) == 2 * 4
    assert tool.main([str(tmp_path), *SMALL]) == 0
    assert 'already complete' in capsys.readouterr().out


def test_mode_decides_the_defaults() -> None:
    scan = tool.to_set(tool.parse_args(['out'])).scan
    assert scan == ScanOptions()
    complete = tool.to_set(tool.parse_args(['out', '--complete'])).scan
    assert complete == ScanOptions(False, noise=0, tilt=0, clutter=0)
    words = ['out', '--complete', '--noise=0.02', '--tilt=10', '--clutter=0.2']
    mixed = tool.to_set(tool.parse_args(words)).scan
    assert mixed == ScanOptions(False, noise=0.02, tilt=10, clutter=0.2)
