"""The comparison of pretraining methods on scenes: what is run, tables."""

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
    folder = ROOT / 'benchmarks'
    path = folder / 'compare_scenes.py'
    spec = importlib.util.spec_from_file_location('_compare_scenes', path)
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    sys.path.insert(0, str(folder))
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


def words(tmp_path: Path, *more: str) -> list[str]:
    return ['--data', str(tmp_path), '--out', str(tmp_path / 'out'), *more]


def arguments(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, *given: str
) -> object:
    monkeypatch.setattr(sys, 'argv', ['compare_scenes.py', *given])
    return tool.parse_args()


def test_trials_of_a_seed(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = arguments(
        tool, monkeypatch, *words(tmp_path, '--labels', '1', '0.2')
    )
    trials = tool.fine_tunings(args, 2)
    assert len({trial.name for trial in trials}) == len(trials)
    assert {trial.seed for trial in trials} == {2}
    assert all(Path(trial.config).is_file() for trial in trials)
    starts = {trial.facts['row']: trial.start for trial in trials}
    assert starts.keys() == set(tool.ROWS)
    assert starts['scratch'] == 'scratch'
    assert starts['act'] == str(args.out / 'act_seed2')
    for trial in trials:
        samples = trial.options[tool.SAMPLES]
        assert samples * trial.label_fraction == pytest.approx(1, abs=0.2)
        form = 'concept' if trial.facts['row'] == 'concept' else 'act'
        assert Path(trial.config).name.startswith(form)
    act = tool.pretraining('act', 2, args.out)
    stage1 = tool.pretraining('stage1', 2, args.out)
    assert act.options[tool.AUTOENCODER] == str(args.out / stage1.name)
    assert stage1.seed == act.seed == 2
    assert Path(act.config).is_file()
    assert Path(stage1.config).is_file()


def test_table_of_what_is_there(
    tool: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    given = words(tmp_path, '--table', '--labels', '1', '--seeds', '0', '1')
    args = arguments(tool, monkeypatch, *given)
    scores = {'scratch': (0.1, 0.2), 'act': (0.3, 0.6), 'concept': (0.5,)}
    for row, values in scores.items():
        for seed, value in enumerate(values):
            trial = tool.fine_tuning('segmentation', row, 1.0, seed, args.out)
            folder = args.out / trial.name
            folder.mkdir(parents=True)
            records = [
                dict(metrics=dict(miou=0.0, acc_cls=0.0)),
                dict(metrics=dict(miou=value, acc_cls=0.5)),
            ]
            record = json.dumps(dict(records=records))
            (folder / 'record.json').write_text(record)
    monkeypatch.setenv('ACT_DATA_ROOT', 'as before')
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    tool.main()
    printed = capsys.readouterr().out
    assert '| act | 45.0 ± 21.2 | 50.0 ± 0.0 | 30.0, 60.0 |' in printed
    # Differences 20 and 40: a deviation of 14.1, and t of one degree 12.7.
    assert 'act minus scratch: mIoU +30.0 [-97.1, +157.1]' in printed
    assert 'concept minus scratch: mIoU one seed' in printed
    assert 'detection' not in printed
