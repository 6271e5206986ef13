"""One training of an experiment: prepared, run, gone on with, recorded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from mmdet3d_act.apis import trials
from mmdet3d_act.apis.trials import (
    Trial,
    outcome_settings,
    prepare_trial,
    read_record,
    run_trial,
)
from mmdet3d_act.engine.launch import UsageError
from tests.test_apis.experimenting import ToyAccuracy

pytestmark = pytest.mark.usefixtures('experiment')
TRIAL = Trial('one', 'toy.py')


def weights(path: str) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)['state_dict']


def no_training(*args: object) -> None:
    raise AssertionError('nothing is to be trained')


def test_record_of_a_training(monkeypatch):
    trial = TRIAL._replace(seed=3, facts=dict(way=2))
    record = run_trial(trial, 'out/one')
    assert [one['epoch'] for one in record['records']] == [1, 2, 3]
    metrics = [one['metrics'] for one in record['records']]
    assert all(set(one) == {'accuracy', 'error'} for one in metrics)
    assert all(one['accuracy'] + one['error'] == 100 for one in metrics)
    assert record['num_train'] == 16
    assert record['seconds'] > 0
    wanted = dict(name='one', config='toy.py', seed=3, start=None, way=2)
    assert wanted.items() <= record.items()
    assert Path('out/one/epoch_3.pth').is_file()
    # It is there: not run again.
    monkeypatch.setattr(trials, 'train', no_training)
    assert run_trial(trial, 'out/one') == record == read_record('out/one')


def test_seeds_give_other_trainings():
    first, again, other = (
        run_trial(TRIAL._replace(seed=seed), f'out/{name}')['records']
        for name, seed in (('a', 0), ('b', 0), ('c', 1))
    )
    assert first == again
    assert not all(
        torch.equal(a, b)
        for a, b in zip(
            weights('out/a/epoch_3.pth').values(),
            weights('out/c/epoch_3.pth').values(),
            strict=True,
        )
    )
    assert len(other) == 3


def test_goes_on_after_an_interruption(monkeypatch):
    whole = run_trial(TRIAL, 'out/whole')
    compute = ToyAccuracy.compute_metrics
    count = []

    def killed(self, results):
        count.append(1)
        if len(count) == 2:
            raise KeyboardInterrupt
        return compute(self, results)

    with monkeypatch.context() as patch:
        patch.setattr(ToyAccuracy, 'compute_metrics', killed)
        with pytest.raises(KeyboardInterrupt):
            run_trial(TRIAL, 'out/cut')
    assert read_record('out/cut') is None
    record = run_trial(TRIAL, 'out/cut')
    assert record['records'] == whole['records']
    assert record['seconds'] is None
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            weights('out/cut/epoch_3.pth').values(),
            weights('out/whole/epoch_3.pth').values(),
            strict=True,
        )
    )


def test_other_settings_are_not_mixed_up():
    run_trial(TRIAL, 'out/one')
    changed = TRIAL._replace(
        options={'optim_wrapper.optimizer.lr': 0.1, 'train_cfg.max_epochs': 2}
    )
    with pytest.raises(UsageError, match=r'lr: 0\.05 then, 0\.1 now') as error:
        run_trial(changed, 'out/one')
    assert 'train_cfg.max_epochs: 3 then, 2 now' in str(error.value)
    assert 'another --work-dir' in str(error.value)
    many = {
        f'optim_wrapper.optimizer.{key}': 0.5
        for key in ('weight_decay', 'eps', 'lr', 'a', 'b', 'c')
    }
    with pytest.raises(UsageError, match=r'\.\.\. and 2 more'):
        run_trial(TRIAL._replace(options=many), 'out/one')


def test_what_changes_no_outcome_may_change():
    trial = TRIAL._replace(start='backbone.pth')
    record = run_trial(trial, 'out/one')
    shutil.move('backbone.pth', 'moved.pth')
    moved = trial._replace(
        start='moved.pth',
        options={
            'default_hooks.logger.interval': 1,
            'val_dataloader.num_workers': 1,
        },
    )
    assert run_trial(moved, 'out/one') == record
    torch.save(dict(state_dict={}), 'moved.pth')
    with pytest.raises(UsageError, match=r'init_cfg.checkpoint: [0-9a-f]{64}'):
        run_trial(moved, 'out/one')


def test_weights_to_begin_with_and_scaled_rates_are_compared():
    run_trial(TRIAL, 'out/start')
    shutil.copy('out/start/epoch_1.pth', 'whole.pth')
    loaded = TRIAL._replace(options=dict(load_from='whole.pth'))
    record = run_trial(loaded, 'out/one')
    shutil.copy('whole.pth', 'moved.pth')
    moved = TRIAL._replace(options=dict(load_from='moved.pth'))
    assert run_trial(moved, 'out/one') == record
    shutil.copy('out/start/epoch_2.pth', 'moved.pth')
    with pytest.raises(UsageError, match=r'load_from: [0-9a-f]{64} then'):
        run_trial(moved, 'out/one')
    with pytest.raises(UsageError, match='load_from: absent then'):
        run_trial(loaded, 'out/start')
    scaled = dict(auto_scale_lr=dict(base_batch_size=2, enable=True))
    with pytest.raises(UsageError, match='base_batch_size: absent then, 2'):
        run_trial(TRIAL._replace(options=scaled), 'out/start')
    unused = dict(auto_scale_lr=dict(base_batch_size=2, enable=False))
    run_trial(TRIAL._replace(options=unused), 'out/start')


def test_start_reaches_the_backbone():
    frozen = {'optim_wrapper.optimizer.lr': 0.0}
    expected = weights('backbone.pth')['layer.weight']
    for name, start, same in (
        ('file', 'backbone.pth', True),
        ('scratch', 'scratch', False),
    ):
        trial = TRIAL._replace(start=start, options=frozen)
        run_trial(trial, f'out/{name}')
        found = weights(f'out/{name}/epoch_3.pth')['backbone.layer.weight']
        assert torch.equal(found, expected) == same


def test_fewer_samples_than_a_batch_are_one_batch():
    record = run_trial(TRIAL._replace(label_fraction=0.25), 'out')
    # 2 of 8 of each of the 2 classes, in batches of 8 without the last.
    assert record['num_train'] == 4
    assert [one['iter'] for one in record['records']] == [1, 2, 3]
    settings = json.loads(Path('out/settings.json').read_text())
    assert settings['train_dataloader.batch_size'] == '4'


def test_few_labels_by_an_option_are_one_batch():
    options = {'train_dataloader.dataset.label_fraction': 0.25}
    record = run_trial(TRIAL._replace(options=options), 'out')
    assert record['num_train'] == 4
    assert [one['iter'] for one in record['records']] == [1, 2, 3]


def test_checkpoints_go_when_they_are_not_wanted():
    record = run_trial(TRIAL, 'out', keep_checkpoints=False)
    assert not list(Path('out').glob('*.pth'))
    assert not Path('out/last_checkpoint').exists()
    assert run_trial(TRIAL, 'out', keep_checkpoints=False) == record


def test_settings_are_those_of_the_outcome():
    cfg = prepare_trial(TRIAL, 'out')
    found = outcome_settings(cfg)
    assert found['randomness.seed'] == '0'
    assert found['train_dataloader.dataset.type'] == 'ToyFolds'
    assert not any('num_workers' in key for key in found)
    assert not any(key.startswith('default_hooks') for key in found)
