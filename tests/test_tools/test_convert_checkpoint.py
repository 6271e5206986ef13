"""The command line of the converter."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmdet3d_act.models.backbones import PointTransformer
from tests.test_converters import published

from .loading import load_tool

tool = load_tool('model_converters.convert_checkpoint')
HEADS = ['--cfg-options', 'num_heads=4', 'group_size=16']


@pytest.fixture
def source(tmp_path: Path) -> str:
    state = published.values(published.shapes('small_pointmae'))
    return str(published.write(tmp_path / 'src.pth', state))


def test_backbone(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out, config = str(tmp_path / 'dst.pth'), str(tmp_path / 'sub/model.py')
    words = [source, out, '--task=backbone', '--up-axis=z']
    words += ['--model-config', config, *HEADS]
    assert tool.main(words) == 0
    text = capsys.readouterr().out
    assert 'Point-MAE, pretraining; backbone taken' in text
    assert 'part of the distiller: --task distiller takes it' in text
    assert 'sha256: ' in text
    assert 'up_axis: z' in text
    assert f'Written: {out}' in text
    model = Config.fromfile(config).model
    assert model.pop('type') == 'PointTransformer'
    init_cfg = dict(type='Pretrained', checkpoint=out)
    backbone = PointTransformer(**model, init_cfg=init_cfg)
    backbone.init_weights()
    state = torch.load(out, weights_only=True)['state_dict']
    assert torch.equal(backbone.norm.bias, state['norm.bias'])
