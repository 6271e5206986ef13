"""What the trainings of an experiment change in a config."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config

from mmdet3d_act.apis.trials import Trial, prepare_trial, run_trial
from mmdet3d_act.apis.variations import set_epochs
from mmdet3d_act.engine.launch import UsageError
from tests.test_apis.experimenting import write_experiment

pytestmark = pytest.mark.usefixtures('experiment')
TRIAL = Trial('one', 'toy.py')


def test_start_replaces_what_the_config_says(experiment):
    own = "\nmodel['backbone']['init_cfg'] = [dict(type='Xavier', "
    own += "layer='Linear'), dict(type='Pretrained', checkpoint='gone.pth')]\n"
    write_experiment(experiment, extra=own)
    with pytest.raises(UsageError, match=r'gone\.pth'):
        prepare_trial(TRIAL, 'out')
    scratch = prepare_trial(TRIAL._replace(start='scratch'), 'out')
    xavier = dict(type='Xavier', layer='Linear')
    assert scratch.model.backbone.init_cfg == [xavier]
    cfg = prepare_trial(TRIAL._replace(start='backbone.pth'), 'out')
    pretrained = dict(type='Pretrained', checkpoint='backbone.pth')
    assert cfg.model.backbone.init_cfg == [xavier, pretrained]
    work_dir = run_trial(TRIAL._replace(start='scratch'), 'out/s')
    assert work_dir['start'] == 'scratch'
    cfg = prepare_trial(TRIAL._replace(start='out/s'), 'out')
    found = cfg.model.backbone.init_cfg[1].checkpoint
    assert Path(found).name == 'epoch_3.pth'


@pytest.mark.parametrize(
    ('trial', 'message'),
    [
        (TRIAL._replace(start='nowhere.pth'), 'no checkpoint at nowhere.pth'),
        (
            TRIAL._replace(options={'val_evaluator': None}),
            'toy.py has no val_evaluator',
        ),
        (
            TRIAL._replace(
                options={'model': dict(_delete_=True, type='X')}, start='s'
            ),
            'has no backbone to start from s',
        ),
        (
            TRIAL._replace(data=dict(nth=1)),
            'no data set in train_dataloader of toy.py has nth',
        ),
        (TRIAL._replace(label_fraction=0.0), r'must be in (0, 1], got 0'),
        (TRIAL._replace(label_fraction=5.0), r'must be in (0, 1], got 5'),
    ],
)
def test_what_cannot_run_is_refused(trial, message):
    with pytest.raises(UsageError) as error:
        prepare_trial(trial, 'out')
    assert message in str(error.value)
    assert not Path('out').exists()


SCHEDULE = """
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, end=1, by_epoch=True),
    dict(type='CosineAnnealingLR', begin=1, end=3, T_max=2, by_epoch=True),
    dict(type='ConstantLR', end=6, by_epoch=False)]
"""


def test_other_lengths_have_schedules_that_fit(experiment):
    write_experiment(experiment, extra=SCHEDULE)
    cfg = prepare_trial(TRIAL._replace(epochs=8), 'out')
    assert cfg.train_cfg.max_epochs == 8
    warmup, cosine, constant = cfg.param_scheduler
    assert warmup.end == 1
    assert (cosine.begin, cosine.end, cosine.T_max) == (1, 8, 7)
    assert constant.end == 6
    with pytest.raises(UsageError, match=r'1 epoch is too few .* 2 or more'):
        prepare_trial(TRIAL._replace(epochs=1), 'out')
    trial = TRIAL._replace(epochs=2, options={'train_cfg.val_interval': 3})
    records = run_trial(trial, 'out')['records']
    assert [one['epoch'] for one in records] == [2]
    by_iter = dict(_delete_=True, by_epoch=False, max_iters=4)
    trial = trial._replace(options={'train_cfg': by_iter})
    with pytest.raises(UsageError, match='is not counted in epochs'):
        prepare_trial(trial, 'out')


@pytest.mark.parametrize('more', [0, 1])
def test_released_schedules_end_with_the_training(experiment, more):
    """They train an epoch more than the cosine has, or do not."""
    released = (
        "\nparam_scheduler = [dict(type='ReleasedCosineLR', num_epochs=300, "
        'warmup_epochs=10)]\n'
        f'train_cfg = dict(by_epoch=True, max_epochs={300 + more})\n'
    )
    write_experiment(experiment, extra=released)
    cfg = prepare_trial(TRIAL._replace(epochs=30), 'out')
    assert cfg.train_cfg.max_epochs == 30
    assert cfg.param_scheduler[0].num_epochs == 30 - more
    with pytest.raises(UsageError, match=rf'too few .* takes {11 + more}'):
        prepare_trial(TRIAL._replace(epochs=10 + more), 'out')


@pytest.mark.parametrize('epochs', [1, 3, 4])
def test_warmups_within_a_schedule_end_before_the_training(epochs):
    cfg = Config(
        dict(
            train_cfg=dict(max_epochs=100, val_interval=20),
            param_scheduler=[
                dict(
                    type='ProgressCosineLR',
                    warmup=3,
                    end=100,
                    convert_to_iter_based=True,
                )
            ],
        )
    )
    if epochs > 3:
        set_epochs(cfg, epochs, 'toy.py')
        assert cfg.param_scheduler[0].end == epochs
        return
    message = 'with its warm-up the schedule takes 4 or more'
    with pytest.raises(UsageError, match=message):
        set_epochs(cfg, epochs, 'toy.py')


def test_data_arguments_reach_all_data_sets():
    data = dict(way=3, shot=4, fold=2)
    cfg = prepare_trial(TRIAL._replace(data=data), 'out')
    for part in ('train', 'val', 'test'):
        own = cfg[f'{part}_dataloader'].dataset
        assert {key: own[key] for key in data} == data
    assert run_trial(TRIAL._replace(data=data), 'out')['num_train'] == 12


def test_label_fraction_reaches_the_innermost_training_data(experiment):
    wrapped = (
        "\ntrain_dataloader['dataset'] = dict(type='RepeatDataset', times=2, "
        "dataset=dict(type='ConcatDataset', datasets=[dict(type='ToyFolds', "
        "split='train'), dict(type='ToyFolds', split='train')]))"
    )
    write_experiment(experiment, extra=wrapped)
    trial = TRIAL._replace(label_fraction=0.25, seed=5)
    cfg = prepare_trial(trial, 'out')
    inner = cfg.train_dataloader.dataset.dataset.datasets
    drawn = [(one.label_fraction, one.label_seed) for one in inner]
    assert drawn == [(0.25, 5), (0.25, 5)]
    assert 'label_fraction' not in cfg.train_dataloader.dataset
    assert 'label_fraction' not in cfg.val_dataloader.dataset
