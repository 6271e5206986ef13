"""The metrics of every validation, also of trainings that were killed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmdet3d_act.apis import prepare_config, train, validate
from mmdet3d_act.engine import launch
from mmdet3d_act.engine.hooks import metric_history_hook
from mmdet3d_act.engine.hooks.metric_history_hook import (
    HISTORY_FILE,
    read_history,
    scalars,
)
from mmdet3d_act.files import write_json
from tests.test_engine.toy import ToyMean, write_config

VALIDATED = """
train_cfg = dict(by_epoch=True, max_epochs=5, val_interval=2)
val_dataloader = test_dataloader
val_evaluator = test_evaluator
val_cfg = dict()
custom_hooks = [
    dict(type='IterationSeedHook'), dict(type='MetricHistoryHook')]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    write_config(tmp_path, VALIDATED)
    return tmp_path


def history(name: str) -> list[dict]:
    return read_history(Path(name) / HISTORY_FILE)['records']


def resume(name: str, options: dict | None = None) -> None:
    cfg = prepare_config('toy.py', name, options=options)
    launch.set_resume(cfg, 'auto')
    train(cfg)


def test_every_validation_is_kept():
    train(prepare_config('toy.py', 'here'))
    found = read_history('here/metric_history.json')
    assert found['num_train'] == 16
    # Every second epoch of 4 steps, and the last one.
    where = [(one['epoch'], one['iter']) for one in found['records']]
    assert where == [(2, 8), (4, 16), (5, 20)]
    assert all(one['metrics']['count'] == 6 for one in found['records'])
    means = [one['metrics']['mean'] for one in found['records']]
    assert len(set(means)) == 3
    cfg = prepare_config('toy.py', 'here')
    validated = validate(cfg, 'here/epoch_5.pth')
    assert validated['mean'] == pytest.approx(means[-1])
    # That validation was none of the training.
    assert read_history('here/metric_history.json') == found


@pytest.mark.parametrize('epoch', [4, 5])
def test_a_killed_training_ends_in_the_same_history(monkeypatch, epoch):
    """Killed when the checkpoint of an epoch is there, not its metrics."""
    train(prepare_config('toy.py', 'whole'))
    evaluate = ToyMean.compute_metrics

    def killed(self, results):
        if len(history('cut')) == (epoch - 1) // 2:
            raise InterruptedError
        return evaluate(self, results)

    with monkeypatch.context() as patch:
        patch.setattr(ToyMean, 'compute_metrics', killed)
        with pytest.raises(InterruptedError):
            train(prepare_config('toy.py', 'cut'))
    assert launch.last_checkpoint('cut').name == f'epoch_{epoch}.pth'
    assert history('cut') == history('whole')[: (epoch - 1) // 2]
    resume('cut')
    assert history('cut') == history('whole')


def test_a_new_training_begins_a_new_history():
    train(prepare_config('toy.py', 'here'))
    first = history('here')
    train(prepare_config('toy.py', 'here', seed=3))
    second = history('here')
    assert len(second) == 3
    assert first != second
    # Resumed from an earlier checkpoint, later epochs are validated again.
    cfg = prepare_config('toy.py', 'here')
    launch.set_resume(cfg, 'here/epoch_4.pth')
    cfg.train_cfg.max_epochs = 4
    train(cfg)
    assert history('here') == second[:2]


@pytest.mark.parametrize('missed', [False, True])
def test_the_main_process_decides_for_all(monkeypatch, missed):
    """Another process sees another file, or none."""

    def broadcast(data: list) -> None:
        assert data == [not missed]
        data[0] = missed

    monkeypatch.setattr(
        metric_history_hook, 'broadcast_object_list', broadcast
    )
    monkeypatch.setattr(metric_history_hook, 'is_main_process', lambda: False)
    if missed:
        one = dict(epoch=2, iter=8, metrics={})
        write_json(HISTORY_FILE, dict(num_train=16, records=[one]))
    calls = []
    loop = SimpleNamespace(
        dataloader=[], epoch=2, max_epochs=4, val_begin=1, val_interval=1
    )
    runner = SimpleNamespace(
        work_dir='.',
        iter=8,
        train_loop=loop,
        val_loop=SimpleNamespace(run=lambda: calls.append(1)),
    )
    metric_history_hook.MetricHistoryHook().before_train(runner)
    assert len(calls) == missed


def test_trainings_that_count_iterations():
    options = {
        'train_cfg': dict(
            _delete_=True, by_epoch=False, max_iters=7, val_interval=3
        ),
        'default_hooks.checkpoint.by_epoch': False,
    }
    train(prepare_config('toy.py', 'here', options=options))
    assert [one['iter'] for one in history('here')] == [3, 6, 7]


def test_single_numbers_are_kept():
    found = scalars(
        dict(
            whole=3,
            array=np.float32(0.5),
            tensor=torch.tensor(2.0),
            table=[1, 2],
            several=np.ones(2),
            text='7',
        )
    )
    assert found == dict(whole=3.0, array=0.5, tensor=2.0)
    assert all(type(value) is float for value in found.values())


def test_no_file_has_no_records(tmp_path):
    assert read_history(tmp_path / 'absent')['records'] == []
