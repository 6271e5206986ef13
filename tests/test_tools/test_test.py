"""tools/test.py on a toy config."""

from __future__ import annotations

import json
import pickle
from argparse import Namespace

import pytest
import torch

from tests.test_engine.toy import ToyRegressor, write_config
from tests.test_tools.loading import load_tool
from tests.test_tools.test_train import run_here


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A work folder with a config and a checkpoint that predicts 2.5."""
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path)
    model = ToyRegressor()
    with torch.no_grad():
        model.net[-1].weight.zero_()
        model.net[-1].bias.fill_(2.5)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'toy.pth')
    return tmp_path


def test_writes_the_metrics(folder, capsys):
    assert run_here('test', 'toy.py', 'toy.pth', '--out', 'out.json') == 0
    metrics = json.loads((folder / 'out.json').read_text())
    assert metrics == dict(mean=2.5, count=6)
    assert 'Written: out.json' in capsys.readouterr().out


def test_writes_the_predictions(folder):
    assert run_here('test', 'toy.py', 'toy.pth', '--out', 'out.pkl') == 0
    predictions = pickle.loads((folder / 'out.pkl').read_bytes())
    assert [float(value) for value in predictions] == [2.5] * 6


@pytest.mark.usefixtures('folder')
def test_absent_checkpoint_is_named(capsys):
    assert run_here('test', 'toy.py', 'absent.pth') == 2
    assert 'no checkpoint at absent.pth' in capsys.readouterr().err


def test_a_work_directory_means_its_last_checkpoint(folder):
    (folder / 'run').mkdir()
    (folder / 'toy.pth').rename(folder / 'run' / 'epoch_2.pth')
    assert run_here('test', 'toy.py', 'run') == 2
    (folder / 'run' / 'last_checkpoint').write_text('/before/epoch_2.pth')
    assert run_here('test', 'toy.py', 'run', '--out', 'out.json') == 0
    assert json.loads((folder / 'out.json').read_text())['mean'] == 2.5


def test_without_a_folder_the_clouds_are_those_of_the_run(folder, monkeypatch):
    monkeypatch.delenv('ACT_CLOUDS', raising=False)
    (folder / 'run').mkdir()
    (folder / 'toy.pth').rename(folder / 'run' / 'epoch_2.pth')
    (folder / 'run' / 'toy.py').write_text("clouds = 'mine'\n")
    (folder / 'toy.py').write_text("clouds = '{{$ACT_CLOUDS:data}}'\n")
    load = load_tool('config_arguments').load_config_of
    args = Namespace(
        config='toy.py', checkpoint='run/epoch_2.pth', cfg_options=None
    )
    assert load(args).clouds == 'mine'
    monkeypatch.setenv('ACT_CLOUDS', 'others')
    assert load(args).clouds == 'others'


def test_frozen_parts_are_loaded_and_the_config_stays(folder, monkeypatch):
    began = []

    def init_weights(model):
        began.append(model)
        model.net[-1].bias.data.fill_(7)

    monkeypatch.setattr(ToyRegressor, 'init_weights', init_weights)
    kept = folder / 'work_dirs' / 'toy' / 'toy.py'
    kept.parent.mkdir(parents=True)
    kept.write_text('of the training')
    assert run_here('test', 'toy.py', 'toy.pth', '--out', 'out.json') == 0
    assert len(began) == 1
    assert json.loads((folder / 'out.json').read_text())['mean'] == 2.5
    assert kept.read_text() == 'of the training'
    assert (kept.parent / 'test' / 'toy.py').is_file()
