"""Trainings and validations as functions."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config

from mmdet3d_act.apis import RunProgress, prepare_config, train, validate
from mmdet3d_act.apis.training import set_epochs
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


def test_validation_of_a_checkpoint_and_of_no_checkpoint():
    model = ToyRegressor()
    with torch.no_grad():
        model.net[-1].weight.zero_()
        model.net[-1].bias.fill_(2.5)
    torch.save(dict(state_dict=model.state_dict()), 'toy.pth')
    cfg = prepare_config('toy.py', 'here')
    # Only trainings have a best checkpoint.
    cfg.default_hooks.checkpoint.save_best = 'mean'
    cfg.default_hooks.checkpoint.rule = 'less'
    assert validate(cfg, 'toy.pth') == dict(mean=2.5, count=6)
    untrained = validate(cfg)
    assert untrained['count'] == 6
    assert untrained['mean'] != 2.5
    # The config is as it was, and can be trained next.
    assert cfg.get('load_from') is None


def test_the_config_is_in_the_log_and_not_on_the_terminal(folder, capsys):
    train(prepare_config('toy.py', 'here'))
    printed = capsys.readouterr().out
    assert 'System environment' in printed
    assert 'train_dataloader=' not in printed
    (log,) = folder.glob('here/*/*.log')
    assert 'train_dataloader=' in log.read_text()


def test_progress_of_a_training():
    reports = []
    progress = RunProgress(lambda *values: reports.append(values), every=0.0)
    train(prepare_config('toy.py', 'here'), [progress])
    assert [share for share, _, _ in reports] == [
        step / 8 for step in range(1, 9)
    ]
    left = [seconds for _, seconds, _ in reports]
    assert min(left[:-1]) > 0
    assert left[-1] == 0
    assert all(values['loss'] > 0 for _, _, values in reports)
    assert all(type(values['loss']) is float for _, _, values in reports)


def cosine(**changes: object) -> Config:
    """A config of 30 epochs, the first one a warm-up."""
    return Config(
        dict(
            train_cfg=dict(max_epochs=30, val_interval=10),
            param_scheduler=[
                dict(type='LinearLR', end=1, by_epoch=True),
                dict(type='CosineAnnealingLR', begin=1, end=30, T_max=29),
                dict(type='ConstantLR', end=6, by_epoch=False),
            ],
        )
        | changes
    )


def test_other_lengths_have_schedules_that_fit():
    cfg = cosine()
    set_epochs(cfg, 8, 'toy.py')
    assert cfg.train_cfg == dict(max_epochs=8, val_interval=8)
    warmup, main, constant = cfg.param_scheduler
    assert (warmup.end, constant.end) == (1, 6)
    assert (main.begin, main.end, main.T_max) == (1, 8, 7)
    set_epochs(cfg, 40, 'toy.py')
    assert cfg.train_cfg == dict(max_epochs=40, val_interval=40)
    cfg = cosine()
    set_epochs(cfg, 20, 'toy.py')
    assert cfg.train_cfg.val_interval == 10


@pytest.mark.parametrize('more', [0, 1])
def test_released_schedules_end_with_the_training(more):
    """They train an epoch more than the cosine has, or do not."""
    released = dict(num_epochs=300, warmup_epochs=10)
    cfg = cosine(
        train_cfg=dict(max_epochs=300 + more), param_scheduler=released
    )
    set_epochs(cfg, 30, 'toy.py')
    assert cfg.param_scheduler.num_epochs == 30 - more
    cfg = cosine(
        train_cfg=dict(max_epochs=300 + more), param_scheduler=released
    )
    with pytest.raises(UsageError, match=f'{11 + more} or more'):
        set_epochs(cfg, 10 + more, 'toy.py')


@pytest.mark.parametrize(
    ('changes', 'epochs', 'offender'),
    [
        ({}, 1, '2 or more'),
        (dict(param_scheduler=dict(warmup=3, end=30)), 3, '4 or more'),
        (dict(train_cfg=dict(max_iters=4)), 3, 'max_iters'),
    ],
)
def test_lengths_that_do_not_fit_are_refused(changes, epochs, offender):
    with pytest.raises(UsageError, match=offender):
        set_epochs(cosine(**changes), epochs, 'toy.py')
