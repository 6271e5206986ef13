"""tools/label_curve.py on trainings of milliseconds."""

from __future__ import annotations

import pytest
from PIL import Image

from tests.test_apis.experimenting import write_experiment
from tests.test_tools.experiments import results, rows, run_tool
from tests.test_tools.loading import load_tool

TOOL = 'label_curve'
OUT = ['--work-dir', 'out']


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_experiment(tmp_path)
    return tmp_path


def test_curve_of_pretrained_and_scratch(folder, monkeypatch, capsys) -> None:
    command = ['toy.py', 'act=backbone.pth', '--percent', '100', '25', *OUT]
    assert run_tool(monkeypatch, TOOL, *command, '--seeds', '0', '1') == 0
    runs = results('out')['runs']
    # Few labels first: the trainings are short.
    assert [(r['percent'], r['seed'], r['row']) for r in runs] == [
        (percent, seed, row)
        for percent in (25, 100)
        for seed in (0, 1)
        for row in ('act', 'scratch')
    ]
    assert [r['num_train'] for r in runs] == 4 * [4] + 4 * [16]
    assert runs[0]['records'] != runs[1]['records']
    table = rows('out')
    assert [row[:5] for row in table[::2]] == [
        ['25 %', '4', 'act', '2', 'accuracy'],
        ['25 %', '4', 'scratch', '2', 'accuracy'],
        ['100 %', '16', 'act', '2', 'accuracy'],
        ['100 %', '16', 'scratch', '2', 'accuracy'],
    ]
    picture = folder / 'out' / 'label_curve.png'
    assert str(picture.relative_to(folder)) in capsys.readouterr().out
    assert Image.open(picture).size == (640, 440)
    last = picture.read_bytes()
    more = [*command, '--seeds', '0', '1', '--table', '--draw', 'best']
    assert run_tool(monkeypatch, TOOL, *more) == 0
    assert picture.read_bytes() != last
    assert not list(folder.glob('out/**/*.pth'))


def test_trainings(folder) -> None:
    tool = load_tool(TOOL)
    args = tool.parse_args(['toy.py', 'a=x.pth', 'b=y.pth'])
    trials = tool.make_trials(args)
    assert len(trials) == 5 * 3 * 3
    assert trials[0].name == 'a/1percent_seed0'
    assert {trial.label_fraction for trial in trials} == {
        0.01, 0.05, 0.1, 0.2, 1.0
    }  # fmt: skip
    assert {trial.start for trial in trials} == {'x.pth', 'y.pth', 'scratch'}
    args = tool.parse_args(['toy.py', 'a=x.pth', '--no-scratch'])
    assert {trial.start for trial in tool.make_trials(args)} == {'x.pth'}
    args = tool.parse_args(['toy.py', 'scratch', '--percent', '0.5'])
    trials = tool.make_trials(args)
    assert [t.name for t in trials][:1] == ['scratch/0.5percent_seed0']
    assert len(trials) == 3


def test_faults_are_explained(monkeypatch, capsys) -> None:
    with pytest.raises(SystemExit, match='2'):
        load_tool(TOOL).parse_args(['toy.py', 'x', '--percent', '0', '101'])
    assert 'must be in (0, 100], got [0.0, 101.0]' in capsys.readouterr().err
    assert run_tool(monkeypatch, TOOL, 'toy.py', 'a=gone.pth', *OUT) == 2
    assert 'no checkpoint at gone.pth' in capsys.readouterr().err
