from __future__ import annotations

from pathlib import Path

import pytest

from mmdet3d_act.datasets import ShapeNet55
from tests.test_datasets.clouds import write_shapenet

from .loading import TOOLS, load_tool

tool = load_tool('dataset_converters.pack_points')


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ShapeNet-55's folder where the configs look for it."""
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    return write_shapenet(tmp_path / 'ShapeNet55-34')


def test_config(root: Path, capsys: pytest.CaptureFixture) -> None:
    config = str(TOOLS.parent / 'configs/act/dvae_shapenet.py')
    assert tool.main([config]) == 0
    output = capsys.readouterr().out
    assert 'ShapeNet55_train.pack:\n' in output
    assert '  8 of 8 clouds (100%)' in output
    assert '  3 clouds\n' in output
    assert tool.main([config]) == 0
    assert '8 clouds, up to date' in capsys.readouterr().out
    load = [dict(type='LoadPointCloud')]
    data = ShapeNet55(str(root), 'trainval', pipeline=load)
    assert data.get_data_info(10)['raw_points'].shape == (32, 3)
