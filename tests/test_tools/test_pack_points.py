from __future__ import annotations

from pathlib import Path

import numpy as np
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


def _by_class(root: Path, *words: str) -> int:
    start = ['--dataset', 'ShapeNet55', '--data-root', str(root)]
    return tool.main([*start, *words])


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


def test_unusable_cloud(root: Path, capsys: pytest.CaptureFixture) -> None:
    path = root / 'shapenet_pc' / 'x-m3.npy'
    np.save(path, np.ones((3, 2)))
    assert _by_class(root, '--split=train') == 2
    assert 'x-m3.npy: ' in capsys.readouterr().err
    assert not list(root.glob('*.pack'))
    assert _by_class(root, '--split=train', '--on-error=skip') == 0
    assert '1 of them not packed' in capsys.readouterr().out
