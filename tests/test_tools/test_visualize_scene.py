"""tools/visualize_scene.py on scenes with boxes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mmdet3d_act.apis import loading
from tests.test_tools.loading import load_tool

pytest.importorskip('mmdet3d')

from tests.test_apis.test_scene_pictures import (
    FOUND,
    Network,
    Scenes,
    boxes,
    scene,
)

TOOL = 'visualize_scene'
CONFIG = 'model = dict()\n'


@pytest.fixture(autouse=True)
def asked(tmp_path, monkeypatch) -> dict:
    """Return what the tool asks for; the scenes are two of ours."""
    monkeypatch.chdir(tmp_path)
    Path('config.py').write_text(CONFIG)
    Path('work').mkdir()
    Path('work/epoch_3.pth').touch()
    seen: dict = {}

    def build_dataset(cfg: object, config: str, part: str | None) -> Scenes:
        seen['part'] = part
        known = boxes([0, 1], [0, 2])
        return Scenes([scene(gt_instances_3d=known), scene()])

    def load_model(cfg, checkpoint: str, config: str, device: str) -> Network:
        seen.update(checkpoint=checkpoint, device=device, cfg=cfg)
        return Network(pred_instances_3d=FOUND)

    monkeypatch.setattr(loading, 'build_dataset', build_dataset)
    monkeypatch.setattr(loading, 'load_model', load_model)
    return seen


def run(monkeypatch: pytest.MonkeyPatch, *args: str) -> int:
    options = ['--indices', '0', '--panel', '40', *args]
    monkeypatch.setattr(sys, 'argv', [TOOL, *options])
    return load_tool(TOOL).main()


def test_draws_beside_the_checkpoint(monkeypatch, capsys, asked) -> None:
    options = ['--html', '--part', 'train', '--cfg-options', 'seed=3']
    args = ['config.py', 'work/epoch_3.pth', *options]
    assert run(monkeypatch, *args) == 0
    printed = capsys.readouterr().out
    for name in ('scenes.png', 'scenes.html'):
        path = Path('work/scenes_epoch_3') / name
        assert path.is_file()
        assert f'Written: {path}' in printed
    assert asked['checkpoint'] == 'work/epoch_3.pth'
    assert asked['part'] == 'train'
    assert asked['device'] == 'cpu'
    assert asked['cfg'].seed == 3
