"""The tools that look at a pretraining and its data, on tiny ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdet3d_act.models.backbones import PointTransformer
from tests.test_apis.pretraining import write_pretrainings
from tests.test_tools.experiments import run_tool


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pretrainings(tmp_path)
    return tmp_path


def test_browse_dataset(monkeypatch, capsys) -> None:
    """Of a bad sample the place says why it is empty."""
    Path('clouds/train/blob/blob1.npy').write_text('no cloud')
    options = ['mae.py', '--indices', '0', '1', '--panel', '40']
    assert run_tool(monkeypatch, 'browse_dataset', *options) == 0
    path = 'work_dirs/browse/mae_train.png'
    with Image.open(path) as image:
        # A place for names, and five transforms.
        assert np.asarray(image).shape[1] == 6 * 46 + 6
    printed = capsys.readouterr().out
    assert 'PointFolder with 12 samples, up axis z; drawn: 2' in printed
    assert 'blob1.npy' in printed
    assert f'Written: {path}' in printed


def test_linear_probe(monkeypatch, capsys) -> None:
    passes = []
    encode = PointTransformer.encode

    def counted(self, *args):
        passes.append(1)
        return encode(self, *args)

    monkeypatch.setattr(PointTransformer, 'encode', counted)
    options = ['--C', '0.1', '1', '--pooling', 'cls', 'max', '--knn', '3']
    options += ['--labels-per-class', '2', '--out', 'probe.json']
    command = ['mae.pth', '--config', 'mae.py', *options]
    assert run_tool(monkeypatch, 'linear_probe', *command) == 0
    # All of the choices read the features of one pass over 18 clouds.
    assert len(passes) == 1
    printed = capsys.readouterr().out
    assert '18 of 18 clouds (100%)' in printed
    assert 'linear SVM  3-NN  2 labels/class' in printed
    record = json.loads(Path('probe.json').read_text())
    assert (record['num_train'], record['num_test']) == (12, 6)
    lines = record['results']
    assert [(line['pooling'], line['C']) for line in lines] == [
        ('cls', 0.1), ('cls', 1.0), ('max', 0.1), ('max', 1.0)
    ]  # fmt: skip
    # Blobs and sticks are told apart by any features of shape.
    assert lines[3]['svm'] > 80


def test_reconstructions_of_a_config(monkeypatch, capsys) -> None:
    options = ['--num', '2', '--panel', '40', '--html', '--ply']
    command = ['dvae.py', 'dvae.pth', *options]
    assert run_tool(monkeypatch, 'visualize_reconstruction', *command) == 0
    printed = capsys.readouterr().out
    out = Path('pictures_dvae')
    for name in ('reconstruction.png', 'reconstruction.html', 'ply'):
        assert (out / name).exists()
        assert f'Written: {out / name}' in printed
    # Input, patches, codes, coarse, dense.
    assert len(list(out.glob('ply/*.ply'))) == 2 * 5


def test_reconstructions_of_a_folder(monkeypatch) -> None:
    data = ['--data', 'clouds/test', '--indices', '0', '5', '--up-axis', 'z']
    options = [*data, '--out', 'here', '--panel', '40', '--ply']
    command = ['mae.py', 'mae.pth', *options]
    assert run_tool(monkeypatch, 'visualize_reconstruction', *command) == 0
    names = {path.name for path in Path('here/ply').iterdir()}
    assert '0_blob0_0_input.ply' in names
    assert '1_stick2_3_prediction.ply' in names
