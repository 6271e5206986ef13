"""mmdet3d-act predict with networks of random weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from mmdet3d_act.apis.scan_files import file_rows
from mmdet3d_act.engine import launch
from mmdet3d_act.registry import MODELS
from mmdet3d_act_cli import main
from tests.mini_scannet import write_scannet

pytest.importorskip('mmdet3d')

CONFIGS = Path(__file__).parents[2] / 'configs'
DETECTOR = CONFIGS / '3detr' / '3detr_scannet_tiny.py'
SEGMENTOR = CONFIGS / 'act' / 'act_semseg_scannet_tiny.py'


@pytest.fixture(autouse=True)
def scan(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = write_scannet(tmp_path, num_scenes=1, num_points=2400)
    return folder / 'points' / 'scene0000_00.bin'


def predict(*args: object) -> int:
    return main(['predict', *map(str, args)])


def save_weights(config: Path) -> None:
    cfg = launch.load_config(str(config))
    launch.forget_pretrained(cfg)
    torch.manual_seed(0)
    init_default_scope('mmdet3d')
    model = MODELS.build(cfg.model)
    Path('work').mkdir()
    torch.save(dict(state_dict=model.state_dict()), 'work/epoch_3.pth')


def test_a_detector(capsys, scan: Path) -> None:
    save_weights(DETECTOR)
    launch.load_config(str(DETECTOR)).dump('work/config.py')
    args = ['work/epoch_3.pth', scan, '--score', '0', '--html']
    assert predict(*args) == 0
    assert 'boxes:' in capsys.readouterr().out
    folder = Path('work/found_epoch_3')
    assert {path.name for path in folder.iterdir()} == {
        f'scene0000_00.bin.{one}' for one in ('json', 'png', 'html')
    }
    boxes = json.loads((folder / 'scene0000_00.bin.json').read_text())['boxes']
    scores = [box['score'] for box in boxes]
    assert len(scores) > 0
    assert scores == sorted(scores, reverse=True)
    # Where the scan is, which begins at 0.
    centers = np.array([box['center'] for box in boxes])
    assert centers[:, :2].min() > -1
    assert centers[:, 0].max() > 3


def test_a_segmentor(capsys, scan: Path) -> None:
    save_weights(SEGMENTOR)
    args = ['work/epoch_3.pth', 'gone.bin', scan, '--config', SEGMENTOR]
    assert predict(*args, '--out', 'here') == 2
    said = capsys.readouterr()
    assert 'points:' in said.out
    assert 'gone.bin: does not exist' in said.err
    assert len(json.loads(Path('here/scene0000_00.bin.json').read_text()))
    rows = np.fromfile(scan, np.float32).reshape(-1, 6)
    found = file_rows('here/scene0000_00.bin.labels.ply')
    np.testing.assert_allclose(found, rows[:, :3], atol=1e-5)


def test_faults_are_explained(capsys, scan: Path) -> None:
    assert predict('work/epoch_3.pth', scan) == 2
    assert 'no checkpoint at work/epoch_3.pth' in capsys.readouterr().err
    save_weights(DETECTOR)
    assert predict('work/epoch_3.pth', scan) == 2
    assert '--config' in capsys.readouterr().err
