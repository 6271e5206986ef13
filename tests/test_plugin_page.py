"""The code of docs/plugin.md and docs/backbone.md, as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmdet3d_act.models.backbones import PointTransformer
from mmdet3d_act.registry import MODELS

PAGE = Path(__file__).resolve().parents[1] / 'docs' / 'plugin.md'
BLOCKS = [
    block
    for block in re.findall(r'```python\n(.*?)```', PAGE.read_text(), re.S)
    if '_base_' in block
]
pytestmark = pytest.mark.usefixtures('mmdet3d_scope')


@pytest.mark.parametrize('block', BLOCKS)
def test_the_models_of_the_page_are_built(block: str, tmp_path: Path) -> None:
    """They are those of projects/ACT, whose trainings are tested."""
    path = tmp_path / 'config.py'
    path.write_text(block)
    cfg = Config.fromfile(path)
    assert cfg.custom_imports.imports == ['mmdet3d_act']
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    assert type(model.backbone) is PointTransformer
    assert model.neck.conv.in_channels == model.backbone.embed_dims


def test_the_backbone_page_runs(tmp_path: Path) -> None:
    page = PAGE.with_name('backbone.md').read_text()
    code = ''.join(re.findall(r'```python\n(.*?)```', page, re.S)[:2])
    state = PointTransformer(num_groups=128).state_dict()
    torch.save(dict(state_dict=state), tmp_path / 'student.pth')
    noted = 'work_dirs/act_pretrain_shapenet/epoch_300.pth'
    found: dict = {}
    exec(code.replace(noted, str(tmp_path / 'student.pth')), found)
    assert found['output']['features'].shape == (2, 384, 128)
    assert found['output']['centers'].shape == (2, 128, 3)
    assert found['per_point'].shape == (2, 2048, 384)
    # A patch's own centre has its features.
    centers, rows = found['output']['centers'], found['rows']
    again = found['three_interpolate'](centers, centers, rows)
    torch.testing.assert_close(again, rows, rtol=1e-3, atol=1e-3)
