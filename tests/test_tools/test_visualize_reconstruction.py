"""tools/visualize_reconstruction.py on tiny pretrainings."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.test_apis.pretraining import write_pretrainings
from tests.test_tools.loading import load_tool

TOOL = 'visualize_reconstruction'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pretrainings(tmp_path)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *args: str) -> int:
    monkeypatch.setattr(sys, 'argv', [TOOL, *args])
    return load_tool(TOOL).main()


def test_draws_the_data_of_the_config(monkeypatch, capsys) -> None:
    options = ['--num', '2', '--panel', '40', '--html', '--ply']
    assert run(monkeypatch, 'dvae.py', 'dvae.pth', *options) == 0
    printed = capsys.readouterr().out
    out = Path('pictures_dvae')
    for name in ('reconstruction.png', 'reconstruction.html', 'ply'):
        assert (out / name).exists()
        assert f'Written: {out / name}' in printed
    # Input, patches, codes, coarse, dense.
    assert len(list(out.glob('ply/*.ply'))) == 2 * 5


def test_draws_a_folder(monkeypatch) -> None:
    data = ['--data', 'clouds/test', '--indices', '0', '5', '--up-axis', 'z']
    options = [*data, '--out', 'here', '--panel', '40', '--ply']
    assert run(monkeypatch, 'mae.py', 'mae.pth', *options) == 0
    names = {path.name for path in Path('here/ply').iterdir()}
    assert '0_blob0_0_input.ply' in names
    assert '1_stick2_3_prediction.ply' in names
