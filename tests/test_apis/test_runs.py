"""Trainings and validations as functions."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mmdet3d_act import compat
from mmdet3d_act.apis import RunProgress, prepare_config, runs, train, validate
from mmdet3d_act.engine.launch import UsageError
from tests.test_engine.toy import ToyRegressor, write_config

VALIDATION = """
val_dataloader = test_dataloader
val_evaluator = test_evaluator
val_cfg = dict()
visualizer = dict(
    type='Visualizer', name='visualizer',
    vis_backends=[dict(type='LocalVisBackend')])
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A work folder with a toy config, of 2 epochs of 4 steps."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    write_config(tmp_path, VALIDATION)
    return tmp_path


def weights(path: str) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)['state_dict']


def test_training_returns_its_last_checkpoint(folder):
    path = train(prepare_config('toy.py', 'here'))
    assert Path(path) == folder / 'here' / 'epoch_2.pth'
    assert weights(path).keys() == ToyRegressor().state_dict().keys()


def test_runs_of_one_process_do_not_meet(folder):
    # Each has a log of its own, although they begin in the same second.
    paths = [
        train(prepare_config('toy.py', name, seed=seed))
        for name, seed in (('a', 3), ('b', 3), ('c', 4))
    ]
    first, second, third = map(weights, paths)
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert not all(torch.equal(first[k], third[k]) for k in first)
    logs = [next((folder / name).rglob('*.log')) for name in 'abc']
    for log in logs:
        text = log.read_text()
        assert text.count('Saving checkpoint at 2 epochs') == 1
    scalars = [list((folder / name).rglob('scalars.json')) for name in 'abc']
    assert [len(found) for found in scalars] == [1, 1, 1]


def test_options_seed_and_adaptation_reach_the_config(monkeypatch):
    monkeypatch.setattr(compat, 'cpu_computes_bfloat16', lambda: True)

    def adapt(cfg):
        assert cfg.train_cfg.max_epochs == 5
        cfg.model.needs = None

    cfg = prepare_config(
        'toy.py',
        'here',
        seed=3,
        amp=True,
        options={'train_cfg.max_epochs': 5},
        adapt=adapt,
    )
    assert (cfg.work_dir, cfg.launcher) == ('here', 'none')
    assert cfg.randomness['seed'] == 3
    assert cfg.optim_wrapper.type == 'CPUAmpOptimWrapper'
    assert cfg.model == dict(type='ToyRegressor', needs=None)


def test_missing_things_stop_it_before_anything_is_built(folder):
    options = {'model.needs': 'nowhere/teacher.pth'}
    with pytest.raises(UsageError, match=r'touch nowhere/teacher.pth'):
        prepare_config('toy.py', 'here', options=options)
    assert not (folder / 'here').exists()


def test_validation_of_a_checkpoint_and_of_no_checkpoint():
    model = ToyRegressor()
    with torch.no_grad():
        model.net[-1].weight.zero_()
        model.net[-1].bias.fill_(2.5)
    torch.save(dict(state_dict=model.state_dict()), 'toy.pth')
    cfg = prepare_config('toy.py', 'here')
    assert validate(cfg, 'toy.pth') == dict(mean=2.5, count=6)
    untrained = validate(cfg)
    assert untrained['count'] == 6
    assert untrained['mean'] != 2.5
    # The config is as it was, and can be trained next.
    assert cfg.get('load_from') is None


def test_progress_of_a_training():
    reports = []
    progress = RunProgress(lambda *values: reports.append(values), every=0.0)
    train(prepare_config('toy.py', 'here'), progress)
    assert [share for share, _, _ in reports] == [
        step / 8 for step in range(1, 9)
    ]
    left = [seconds for _, seconds, _ in reports]
    assert min(left[:-1]) > 0
    assert left[-1] == 0
    assert all(values['loss'] > 0 for _, _, values in reports)
    assert all(type(values['loss']) is float for _, _, values in reports)


def test_reports_are_no_more_frequent_than_wished(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(
        runs, 'time', SimpleNamespace(monotonic=lambda: clock.now)
    )
    reports = []
    progress = RunProgress(
        lambda share, left, values: reports.append((share, left)), every=5.0
    )
    # Resumed at step 10 of 20, two seconds a step.
    progress.before_train(SimpleNamespace(iter=10))
    for step in range(10, 20):
        clock.now += 2.0
        runner = SimpleNamespace(iter=step, max_iters=20)
        progress.after_train_iter(runner, step, None, dict(loss=1.0))
    assert reports == [
        (pytest.approx(13 / 20), pytest.approx(14.0)),
        (pytest.approx(16 / 20), pytest.approx(8.0)),
        (pytest.approx(19 / 20), pytest.approx(2.0)),
        (pytest.approx(1.0), pytest.approx(0.0)),
    ]
