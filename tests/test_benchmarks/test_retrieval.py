"""The cross-validation of retrieval: folds, intervals, what is kept."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.small_data import ROOT


@pytest.fixture(scope='module')
def tool() -> ModuleType:
    path = ROOT / 'benchmarks' / 'retrieval.py'
    spec = importlib.util.spec_from_file_location('_retrieval', path)
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


@pytest.mark.parametrize(('count', 'number'), [(20, 5), (13, 4), (3, 3)])
def test_every_sample_is_held_out_once(
    tool: ModuleType, count: int, number: int
) -> None:
    parts = tool.folds(count, number)
    assert len(parts) == number
    assert sorted(index for part in parts for index in part) == [*range(count)]
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert parts == tool.folds(count, number)
    if count > 3:
        assert parts != [sorted(part) for part in _in_order(count, number)]


def _in_order(count: int, number: int) -> list[list[int]]:
    step = -(-count // number)
    return [[*range(i, min(i + step, count))] for i in range(0, count, step)]


def test_means_over_seeds_by_fold(tool: ModuleType) -> None:
    runs = {
        '0/1': dict(recall_1=4.0),
        '0/0': dict(recall_1=1.0),
        '3/0': dict(recall_1=2.0),
        '3/10': dict(recall_1=7.0),
    }
    found = tool.by_fold(runs, 'recall_1')
    assert found == {0: 1.5, 1: 4.0, 10: 7.0}
    assert list(found) == [0, 1, 10]


def test_without_folds_seeds_are_compared(tool: ModuleType) -> None:
    runs = {'2/0': dict(recall_1=4.0), '0/0': dict(recall_1=1.0)}
    assert tool.by_fold(runs, 'recall_1') == {0: 1.0, 2: 4.0}


def test_interval_by_hand(tool: ModuleType) -> None:
    # Standard deviation 1; t of 2 degrees of freedom is 4.303.
    assert tool.interval([1.0, 2.0, 3.0]) == '2.0 ± 2.5'
    assert tool.interval([5.0, 5.0]) == '5.0 ± 0.0'
    assert tool.interval([5.25]) == '5.2'


def test_options_of_the_rows(tool: ModuleType) -> None:
    assert tool.row_options('untrained', None) == {}
    assert tool.row_options('concept', 'act.pth') == {}
    frozen = tool.row_options('frozen-random', 'act.pth')
    assert frozen == {**tool.ACT_FORM, 'model.frozen_student': True}
    init = {'type': 'Pretrained', 'checkpoint': 'act.pth'}
    assert tool.row_options('frozen-act', 'act.pth') == {
        **frozen,
        'model.student.init_cfg': init,
    }
    assert tool.row_options('concept-from-act', 'act.pth') == {
        **tool.ACT_FORM,
        'model.student.init_cfg': init,
    }
    with pytest.raises(ValueError, match='concept-from-act needs --act'):
        tool.row_options('concept-from-act', None)


WANTED = dict(
    config='c',
    data='/d',
    split='all',
    folds=5,
    epochs=9,
    act=None,
    options={},
)


@pytest.mark.parametrize(
    'change',
    [
        dict(config='x'),
        dict(split='x'),
        dict(folds=2),
        dict(epochs=1),
        dict(options={'a.b': 1}),
    ],
)
def test_results_of_other_settings(tool: ModuleType, change: dict) -> None:
    file = Path('results.json')
    assert tool.check_settings({}, WANTED, file) == WANTED
    assert tool.check_settings(WANTED, WANTED, file) == WANTED
    ((name, value),) = change.items()
    with pytest.raises(ValueError, match=f'{name} .* instead of {value!r};'):
        tool.check_settings(WANTED, {**WANTED, **change}, file)


def test_act_may_come_later(tool: ModuleType) -> None:
    file, with_act = Path('results.json'), {**WANTED, 'act': 'a.pth'}
    assert tool.check_settings(WANTED, with_act, file) == with_act
    assert tool.check_settings(with_act, WANTED, file) == with_act
    with pytest.raises(ValueError, match=r"act 'a\.pth' instead of 'b\.pth'"):
        tool.check_settings(with_act, {**WANTED, 'act': 'b.pth'}, file)


def run(tool: ModuleType, monkeypatch, *words: str, code: int = 0) -> None:
    monkeypatch.setattr(sys, 'argv', ['retrieval.py', *words])
    assert tool.main() == code


def test_what_is_there_is_not_run_again(
    tool: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    calls = []

    def one(self, row: str, seed: int, parts: list, fold: int) -> dict:
        calls.append((row, seed, fold))
        names = ('recall_1', 'recall_5', 'median_rank', 'chance_1', 'chance_5')
        return {**dict.fromkeys(names, 50.0), 'seconds': 1.0}

    study = tool.CrossValidation
    monkeypatch.setattr(study, 'run', one)
    monkeypatch.setattr(study, 'held_out', lambda self: [[0], [1]])
    # As they are after the test.
    monkeypatch.setenv('ACT_DATA_ROOT', 'somewhere')
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    out = tmp_path / 'out'
    words = ['--data', str(tmp_path), '--out', str(out), '--folds', '2']
    run(tool, monkeypatch, *words, '--rows', 'untrained')
    assert calls == [('untrained', 0, 0), ('untrained', 0, 1)]
    run(tool, monkeypatch, *words, '--rows', 'untrained', 'concept')
    assert calls[2:] == [('concept', 0, 0), ('concept', 0, 1)]
    assert '| concept | 50.0 ± 0.0 |' in capsys.readouterr().out
    run(tool, monkeypatch, *words, '--epochs', '7', code=2)
    assert 'epochs 100 instead of 7' in capsys.readouterr().err
    # Of a version that kept no settings.
    rows = json.loads((out / 'results.json').read_text())['rows']
    (out / 'results.json').write_text(json.dumps(rows))
    run(tool, monkeypatch, *words, code=2)
    assert 'does not say with which settings' in capsys.readouterr().err
    assert len(calls) == 4
