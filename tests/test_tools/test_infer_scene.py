"""tools/infer_scene.py with networks of random weights."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from mmdet3d_act.engine import launch
from mmdet3d_act.registry import MODELS
from tests.mini_scannet import write_scannet
from tests.test_tools.loading import load_tool

pytest.importorskip('mmdet3d')

TOOL = 'infer_scene'
CONFIGS = Path(__file__).parents[2] / 'configs'
DETECTOR = CONFIGS / '3detr' / '3detr_scannet_tiny.py'
SEGMENTOR = CONFIGS / 'act' / 'act_semseg_scannet_tiny.py'


@pytest.fixture(autouse=True)
def scan(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = write_scannet(tmp_path, num_scenes=1, num_points=2400)
    return folder / 'points' / 'scene0000_00.bin'


def run(monkeypatch: pytest.MonkeyPatch, *args: object) -> int:
    options = ['--panel', '40', *map(str, args)]
    monkeypatch.setattr(sys, 'argv', [TOOL, *options])
    return load_tool(TOOL).main()


def save_weights(config: Path) -> None:
    cfg = launch.load_config(str(config))
    launch.forget_pretrained(cfg)
    torch.manual_seed(0)
    init_default_scope('mmdet3d')
    model = MODELS.build(cfg.model)
    Path('work').mkdir()
    torch.save(dict(state_dict=model.state_dict()), 'work/epoch_3.pth')


def test_a_detector(monkeypatch, capsys, scan: Path) -> None:
    save_weights(DETECTOR)
    args = [DETECTOR, 'work/epoch_3.pth', scan, '--score', '0', '--html']
    assert run(monkeypatch, *args) == 0
    printed = capsys.readouterr().out
    assert 'boxes:' in printed
    folder = Path('work/found_epoch_3')
    assert {path.name for path in folder.iterdir()} == {
        f'scene0000_00.{one}' for one in ('json', 'png', 'html')
    }
    boxes = json.loads((folder / 'scene0000_00.json').read_text())['boxes']
    assert boxes
    scores = [box['score'] for box in boxes]
    assert scores == sorted(scores, reverse=True)
    # Where the scan is, which begins at 0.
    centers = np.array([box['center'] for box in boxes])
    assert centers[:, :2].min() > -1
    assert centers[:, 0].max() > 3


def test_a_segmentor(monkeypatch, capsys, scan: Path) -> None:
    save_weights(SEGMENTOR)
    args = [SEGMENTOR, 'work/epoch_3.pth', scan, '--out', 'here']
    assert run(monkeypatch, *args) == 0
    assert 'points:' in capsys.readouterr().out
    with np.load('here/scene0000_00.npz') as found:
        assert len(found['classes']) == 20
        rows = np.fromfile(scan, np.float32).reshape(-1, 6)
        np.testing.assert_allclose(found['points'], rows[:, :3], atol=1e-5)
        assert found['labels'].shape == (len(rows),)


def test_faults_are_explained(monkeypatch, capsys, scan: Path) -> None:
    assert run(monkeypatch, DETECTOR, 'work/epoch_3.pth', 'no.ply') == 2
    assert "that exists, got ['no.ply']" in capsys.readouterr().err
    assert run(monkeypatch, DETECTOR, 'work/epoch_3.pth', scan) == 2
    assert 'no checkpoint at work/epoch_3.pth' in capsys.readouterr().err
    classifier = CONFIGS / 'act' / 'act_cls_scanobjectnn_tiny.py'
    assert run(monkeypatch, classifier, 'work/epoch_3.pth', scan) == 2
    said = capsys.readouterr().err
    assert 'is a PointClassifier, which predicts neither boxes' in said
