"""Sweeps of toy trainings: recorded, resumed, shared; what they start from."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import threading
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmdet3d_act.apis import sweeping
from mmdet3d_act.apis.sweeping import (
    Run,
    _claimed,
    _prepare,
    read_records,
    set_pretrained,
    sweep,
)
from mmdet3d_act.checkpoint import CheckpointError
from mmdet3d_act.engine.launch import UsageError
from tests.test_apis.experimenting import ToyAccuracy, write_experiment

pytestmark = pytest.mark.usefixtures('experiment')
RUN = Run('one', 'toy.py')


def train_one(run: Run = RUN, **options: object) -> dict:
    return sweep([run], 'out', **options)[0]


def weights(path: str) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)['state_dict']


def test_record_of_a_run():
    run = RUN._replace(seed=3, metadata=dict(way=2))
    record = train_one(run)
    assert [one['epoch'] for one in record['validations']] == [1, 2, 3]
    metrics = [one['metrics'] for one in record['validations']]
    # The table that the metric gives too is no number.
    assert all(set(one) == {'accuracy', 'error'} for one in metrics)
    assert record['num_train'] == 16
    assert record['seconds'] > 0
    wanted = dict(name='one', config='toy.py', seed=3, start=None, way=2)
    assert wanted.items() <= record.items()
    same, other = sweep([run, RUN._replace(name='other')], 'more')
    assert same['validations'] == record['validations']
    assert other['validations'] != record['validations']
    assert json.loads(Path('out/one/record.json').read_text()) == record
    assert Path('out/one/epoch_3.pth').is_file()


def test_resumes_where_it_stopped():
    runs = [RUN._replace(name=f'seed{seed}', seed=seed) for seed in range(3)]
    with pytest.raises(UsageError, match='nowhere'):
        read_records(runs, 'nowhere')
    lines = []
    first = sweep(runs[1:2], 'out', report=lines.append)
    assert lines[0] == '[1/1] seed1: training'
    assert read_records(runs, 'out') == first
    lines.clear()
    records = sweep(runs, 'out', report=lines.append)
    assert '[2/3] seed1: already finished' in lines
    assert [record['seed'] for record in records] == [0, 1, 2]
    assert records[1] == first[0]
    assert read_records(runs, 'out') == records


def test_no_epochs_validate_the_start():
    runs = [
        RUN._replace(name=start, epochs=0, start=start)
        for start in ('backbone.pth', 'scratch')
    ]
    pretrained, scratch = (one['validations'] for one in sweep(runs, 'out'))
    assert [one['epoch'] for one in pretrained] == [0]
    # The weights of the checkpoint are in use.
    assert pretrained != scratch


@pytest.mark.parametrize('validations', [1, 2])
def test_a_killed_run_ends_as_a_whole_one(monkeypatch, validations):
    """Killed when the checkpoint of an epoch is there, not its metrics."""
    whole = train_one(RUN._replace(name='whole'))
    compute = ToyAccuracy.compute_metrics
    count = []

    def killed(self, results):
        count.append(1)
        if len(count) > validations:
            raise KeyboardInterrupt
        return compute(self, results)

    with monkeypatch.context() as patch:
        patch.setattr(ToyAccuracy, 'compute_metrics', killed)
        with pytest.raises(KeyboardInterrupt):
            train_one()
    assert not Path('out/one/record.json').exists()
    record = train_one()
    assert record['validations'] == whole['validations']
    assert record['seconds'] is None
    ends = [weights(f'out/{name}/epoch_3.pth') for name in ('one', 'whole')]
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


def test_runs_that_count_iterations():
    by_iter = dict(_delete_=True, by_epoch=False, max_iters=7, val_interval=3)
    overrides = {
        'train_cfg': by_iter,
        'default_hooks.checkpoint.by_epoch': False,
    }
    record = train_one(RUN._replace(overrides=overrides))
    assert [one['iter'] for one in record['validations']] == [3, 6, 7]


def test_waits_for_what_another_process_trains(monkeypatch):
    monkeypatch.setattr(sweeping, 'WAIT_SECONDS', 0.05)
    release, holds = threading.Event(), threading.Event()

    def other() -> None:
        with _claimed(Path('out/seed0')) as mine:
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

    runs = [RUN._replace(name=f'seed{seed}', seed=seed) for seed in (0, 1)]
    records = sweep(runs, 'out', report=report)
    thread.join()
    begun = [line for line in lines if line.endswith('training')]
    assert begun == ['[2/2] seed1: training', '[1/2] seed0: training']
    assert [record['seed'] for record in records] == [0, 1]


def test_other_settings_are_not_mixed_up():
    run = RUN._replace(start='backbone.pth')
    record = train_one(run)
    lr = run._replace(overrides={'optim_wrapper.optimizer.lr': 0.1})
    with pytest.raises(UsageError, match=r'lr: 0\.05 then, 0\.1 now'):
        train_one(lr)
    scaled = dict(auto_scale_lr=dict(base_batch_size=2, enable=True))
    with pytest.raises(UsageError, match='base_batch_size: absent then, 2'):
        train_one(run._replace(overrides=scaled))
    # Where the same weights are and how data are read has no effect.
    shutil.move('backbone.pth', 'moved.pth')
    workers = {'val_dataloader.num_workers': 1}
    moved = run._replace(start='moved.pth', overrides=workers)
    assert train_one(moved) == record
    torch.save(dict(state_dict={}), 'moved.pth')
    with pytest.raises(UsageError, match=r'checkpoint: [0-9a-f]{64}'):
        train_one(moved)


def test_start_reaches_the_backbone():
    frozen = RUN._replace(overrides={'optim_wrapper.optimizer.lr': 0.0})
    expected = weights('backbone.pth')['layer.weight']
    for start, same in (('backbone.pth', True), ('scratch', False)):
        run = frozen._replace(name=start[:4], start=start)
        assert train_one(run)['start'] == start
        found = weights(f'out/{start[:4]}/epoch_3.pth')
        assert torch.equal(found['backbone.layer.weight'], expected) == same


def test_fewer_samples_than_a_batch_are_one_batch():
    # 2 of 8 of each of the 2 classes, in batches of 8 without the last.
    record = train_one(RUN._replace(label_fraction=0.25))
    assert record['num_train'] == 4
    assert [one['iter'] for one in record['validations']] == [1, 2, 3]


def test_checkpoints_go_when_they_are_not_wanted():
    record = train_one(keep_checkpoints=False)
    assert not list(Path('out').rglob('*.pth'))
    assert not list(Path('out').rglob('last_checkpoint'))
    assert train_one(keep_checkpoints=False) == record


def test_data_and_labels_reach_wrapped_data_sets(experiment):
    wrapped = (
        "\ntrain_dataloader['dataset'] = dict(type='RepeatDataset', times=2, "
        "dataset=dict(type='ConcatDataset', datasets=["
        "dict(type='ToyFolds', split='train', way=2, shot=8),"
        "dict(type='ToyFolds', split='train', way=2, shot=8)]))"
    )
    write_experiment(experiment, extra=wrapped)
    run = RUN._replace(data=dict(way=3, shot=4), label_fraction=0.25, seed=5)
    cfg = _prepare(run, Path('out'), amp=False, keep_checkpoints=True)
    changed = dict(way=3, shot=4)
    labels = dict(label_fraction=0.25, label_seed=5)
    for one in cfg.train_dataloader.dataset.dataset.datasets:
        assert one == dict(one, **changed, **labels)
    assert 'label_seed' not in cfg.train_dataloader.dataset
    validation = cfg.val_dataloader.dataset
    assert validation == dict(validation, **changed)
    assert 'label_seed' not in validation


def test_start_replaces_what_the_config_says():
    xavier = dict(type='Xavier', layer='Linear')
    # A class may be a type, or have another name.
    own = [dict(type=dict, checkpoint='gone.pth'), xavier]
    cfg = Config(
        dict(model=dict(backbone=dict(init_cfg=own)), load_from='other.pth')
    )
    set_pretrained(cfg, 'scratch', '')
    assert cfg.load_from is None
    assert cfg.model.backbone.init_cfg == [xavier]
    set_pretrained(cfg, 'backbone.pth', '')
    pretrained = dict(type='Pretrained', checkpoint='backbone.pth')
    assert cfg.model.backbone.init_cfg == [xavier, pretrained]


@pytest.mark.parametrize(
    ('changes', 'offender'),
    [
        (dict(start='nowhere.pth'), 'nowhere.pth'),
        (dict(overrides={'val_evaluator': None}), 'val_evaluator'),
        (dict(overrides={'model.backbone': None}, start='s'), 'backbone'),
        (dict(data=dict(nth=1)), 'nth'),
    ],
)
def test_all_are_checked_before_the_first_is_trained(changes, offender):
    with pytest.raises((CheckpointError, UsageError), match=offender):
        sweep([RUN, Run('two', 'toy.py', **changes)], 'out')
    assert not Path('out').exists()


def test_a_run_is_free_again_though_its_readers_live_on(tmp_path):
    reader = multiprocessing.get_context('fork').Process(
        target=time.sleep, args=(60,)
    )
    with sweeping._claimed(tmp_path) as free:
        assert free
        reader.start()
    with sweeping._claimed(tmp_path) as free:
        assert free
    reader.kill()
