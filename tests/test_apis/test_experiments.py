"""Many trainings: in order, shared among processes, gone on with."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from mmdet3d_act.apis import experiments
from mmdet3d_act.apis.experiments import (
    Start,
    claimed,
    parse_starts,
    read_records,
    run_trials,
)
from mmdet3d_act.apis.trials import Trial, run_trial
from mmdet3d_act.engine.launch import UsageError

TRIALS = [Trial(f'seed{seed}', 'toy.py', seed=seed) for seed in range(3)]


@pytest.fixture
def trained(monkeypatch):
    """Names of the trials that are trained."""
    names = []
    train = experiments.run_trial

    def noted(trial, *args, **kwargs):
        names.append(trial.name)
        return train(trial, *args, **kwargs)

    monkeypatch.setattr(experiments, 'run_trial', noted)
    return names


@pytest.mark.usefixtures('experiment')
def test_goes_on_where_it_stopped():
    lines = []
    first = run_trials(TRIALS[1:2], 'out', report=lines.append)
    assert lines[0] == '[1/1] seed1: training'
    assert lines[-1].startswith('[1/1] seed1: done in ')
    with pytest.raises(UsageError, match='no finished training in nowhere'):
        read_records(TRIALS, 'nowhere')
    assert read_records(TRIALS, 'out') == first
    lines.clear()
    records = run_trials(TRIALS, 'out', report=lines.append)
    assert [record['seed'] for record in records] == [0, 1, 2]
    assert records[1] == first[0]
    assert '[2/3] seed1: is there already' in lines
    assert read_records(TRIALS, 'out') == records


@pytest.mark.usefixtures('experiment')
def test_all_are_checked_before_the_first_is_trained(trained):
    wrong = TRIALS[1]._replace(start='nowhere.pth')
    with pytest.raises(UsageError, match=r'no checkpoint at nowhere\.pth'):
        run_trials([TRIALS[0], wrong], 'out')
    assert trained == []


@pytest.mark.usefixtures('experiment')
def test_waits_for_what_another_process_trains(trained, monkeypatch):
    monkeypatch.setattr(experiments, 'WAIT_SECONDS', 0.05)
    release = threading.Event()
    holds = threading.Event()

    def other() -> None:
        with claimed('out/seed0') as mine:
            assert mine
            holds.set()
            release.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    assert holds.wait(60)
    lines = []

    def report(line: str) -> None:
        lines.append(line)
        if 'seed1: done' in line:
            release.set()

    records = run_trials(TRIALS[:2], 'out', report=report)
    thread.join()
    # The free one first; results in the order of the trials all the same.
    assert trained == ['seed1', 'seed0']
    assert [record['seed'] for record in records] == [0, 1]


def test_a_folder_belongs_to_one_process(tmp_path):
    with claimed(tmp_path / 'a') as first, claimed(tmp_path / 'a') as second:
        assert (first, second) == (True, False)
    with claimed(tmp_path / 'a') as third:
        assert third


@pytest.mark.usefixtures('experiment')
def test_progress_tells_how_long_all_will_take(monkeypatch):
    monkeypatch.setattr(experiments, 'REPORT_SECONDS', 0.0)
    run_trial(TRIALS[0], Path('out/seed0'))
    lines = []
    run_trials(TRIALS, 'out', report=lines.append)
    (half,) = [line for line in lines if line.startswith('[2/3] seed1: 50%')]
    assert 'loss ' in half
    assert re.search(r'; \d+ s left, for all \d+ s$', half)


def test_starts_and_their_names():
    texts = ['act=a/epoch_60.pth', 'work_dirs/mae', 'dirs/b/last.pth']
    assert parse_starts([*texts, 'scratch']) == [
        Start('act', 'a/epoch_60.pth'),
        Start('mae', 'work_dirs/mae'),
        Start('b', 'dirs/b/last.pth'),
        Start('scratch', 'scratch'),
    ]


@pytest.mark.parametrize(
    ('texts', 'message'),
    [
        (['a/x.pth', 'a/y.pth'], "'a' is there twice"),
        (['a=x.pth', 'a=y.pth'], "'a' is there twice"),
        (['epoch.pth'], "'' cannot name a folder"),
        (['odd name/x.pth'], "'odd name' cannot name a folder"),
    ],
)
def test_starts_need_names(texts, message):
    with pytest.raises(UsageError, match=message):
        parse_starts(texts)
