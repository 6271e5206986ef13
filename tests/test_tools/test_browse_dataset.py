"""tools/browse_dataset.py on tiny data."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.test_apis.pretraining import write_pretrainings
from tests.test_tools.loading import load_tool

TOOL = 'browse_dataset'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pretrainings(tmp_path)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *args: str) -> int:
    monkeypatch.setattr(sys, 'argv', [TOOL, *args])
    return load_tool(TOOL).main()


def picture(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_shows_the_training_data(monkeypatch, capsys) -> None:
    assert run(monkeypatch, 'mae.py', '--num', '3', '--panel', '40') == 0
    path = 'work_dirs/browse/mae_train.png'
    # A place for names, and five transforms.
    assert picture(path).shape[1] == 6 * 46 + 6
    printed = capsys.readouterr().out
    assert 'PointFolder with 12 samples, up axis z; drawn: 3' in printed
    assert f'Written: {path}' in printed


def test_bad_samples_are_named(monkeypatch, capsys) -> None:
    Path('clouds/train/blob/blob1.npy').write_text('no cloud')
    options = ['--indices', '0', '1', '--panel', '40']
    assert run(monkeypatch, 'mae.py', *options) == 0
    printed = capsys.readouterr().out
    assert re.search(r'bad sample 1.*: BadSampleError', printed)
    assert 'blob1.npy' in printed
    assert 'Written:' in printed
