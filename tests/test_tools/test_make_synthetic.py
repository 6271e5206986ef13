"""The tools that make up shapes and rooms."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmdet3d_act.synthetic.shape_scan import ScanOptions

from .loading import load_tool

scenes = load_tool('dataset_converters.make_synthetic_scenes')
shapes = load_tool('dataset_converters.make_synthetic_shapes')

FEW_ROOMS = [
    '--num-train=2', '--num-val=1', '--num-points=400', '--num-views=3',
    '--image-size', '48', '36', '--num-workers=1',
]  # fmt: skip
FEW_SHAPES = [
    '--num-pretrain=3', '--num-pretrain-test=1', '--num-train-per-class=2',
    '--num-val-per-class=1', '--num-test-per-class=1', '--num-points=48',
    '--num-workers=1', '--categories', 'chair', 'mug',
]  # fmt: skip


@pytest.mark.parametrize(
    ('tool', 'options', 'said', 'cloud'),
    [
        (
            scenes,
            FEW_ROOMS,
            '2 + 1 rooms (made up by procedure)',
            'scannet/points/scene0001_00.bin',
        ),
        (
            shapes,
            FEW_SHAPES,
            '  12 of 12 clouds (100%), took',
            'procscan/train/chair/chair_0001.npy',
        ),
    ],
    ids=['scenes', 'shapes'],
)
def test_writes_the_set_then_does_nothing(
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    tool: object,
    options: list[str],
    said: str,
    cloud: str,
) -> None:
    command = [str(tmp_path), *options]
    assert tool.main(command) == 0
    assert said in capsys.readouterr().out
    assert (tmp_path / cloud).is_file()
    assert tool.main(command) == 0
    assert 'already complete' in capsys.readouterr().out
    assert tool.main([*command, '--seed=1']) == 2
    assert 'seed' in capsys.readouterr().err


def test_the_defaults_are_the_sets_defaults() -> None:
    assert (
        scenes.to_set(scenes.parse_args([])) == load_tool('room_set').RoomSet()
    )


@pytest.mark.parametrize(
    ('words', 'expected'),
    [
        ([], ScanOptions()),
        (['--complete'], ScanOptions(False, noise=0, tilt=0, clutter=0)),
        (
            ['--complete', '--noise=0.02', '--tilt=10', '--clutter=0.2'],
            ScanOptions(False, noise=0.02, tilt=10, clutter=0.2),
        ),
    ],
)
def test_mode_decides_the_defaults(
    words: list[str], expected: ScanOptions
) -> None:
    assert shapes.to_set(shapes.parse_args(['out', *words])).scan == expected
