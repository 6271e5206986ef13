"""tools/linear_probe.py on tiny pretrainings and easy classes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from mmdet3d_act.models.backbones import PointTransformer
from tests.test_apis.pretraining import write_pretrainings
from tests.test_tools.loading import load_tool

TOOL = 'linear_probe'
MAE = ['mae.pth', '--config', 'mae.py']
FOLDERS = ['--train-data', 'clouds/train', '--test-data', 'clouds/test']


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pretrainings(tmp_path)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *args: str) -> int:
    monkeypatch.setattr(sys, 'argv', [TOOL, *args])
    return load_tool(TOOL).main()


def test_probes_the_data_of_the_config(monkeypatch, capsys) -> None:
    passes = []
    encode = PointTransformer.encode

    def counted(self, *args):
        passes.append(1)
        return encode(self, *args)

    monkeypatch.setattr(PointTransformer, 'encode', counted)
    options = ['--C', '0.1', '1', '--pooling', 'cls', 'max', '--knn', '3']
    few = ['--labels-per-class', '2', '--out', 'probe.json']
    config = ['--config', 'mae.py']
    assert run(monkeypatch, 'mae.pth', *config, *options, *few) == 0
    # All of the choices read the features of one pass over 18 clouds.
    assert len(passes) == 1
    printed = capsys.readouterr().out
    assert 'features of the labelled clouds:' in printed
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
