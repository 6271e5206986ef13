"""From the command line to a config: every option, and every refusal."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.optim import OptimWrapper
from torch import nn
from torch.utils.data import DataLoader

from mmdet3d_act.checkpoint import CheckpointError
from mmdet3d_act.engine import launch
from mmdet3d_act.engine.launch import UsageError


def config(**kwargs) -> Config:
    return Config(dict(**kwargs))


def test_options_replace_settings(tmp_path):
    path = tmp_path / 'a.py'
    path.write_text('model = dict(type="A", size=1)\n')
    options = {'model.size': 2, 'extra': 'b', 'custom_hooks': []}
    cfg = launch.load_config(str(path), options)
    assert cfg.model == dict(type='A', size=2)
    assert cfg.extra == 'b'


def test_paths_of_variables_may_have_any_characters(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = r"""/it's "my"\scans\n"""
    monkeypatch.setenv('ACT_DATA_ROOT', path)
    monkeypatch.setenv('ACT_TRANSFER', "a'b")
    Path('base.py').write_text("root = '{{$ACT_DATA_ROOT:data}}/x'\n")
    cfg = load(
        "_base_ = './base.py'\n"
        'second = "{{$ACT_DATA_ROOT:data}}"\n'
        "way = '{{$ACT_TRANSFER:full}}'\n"
    )
    assert (cfg.root, cfg.second, cfg.way) == (f'{path}/x', path, "a'b")
    assert os.environ['ACT_DATA_ROOT'] == path
    launch.set_work_dir(cfg, None, 'a.py')
    assert cfg.work_dir == "work_dirs/a_a'b"
    with pytest.raises(UsageError, match=r'base\.py is a file'):
        launch.set_work_dir(cfg, 'base.py', 'a.py')


@pytest.mark.parametrize(
    ('cuda', 'bfloat16', 'expected'),
    [
        (True, True, dict(type='AmpOptimWrapper', loss_scale='dynamic')),
        (False, True, dict(type='CPUAmpOptimWrapper')),
        # A CPU that is many times slower with it.
        (False, False, dict(type='OptimWrapper')),
    ],
)
@pytest.mark.parametrize('kind', ['OptimWrapper', OptimWrapper])
def test_amp(monkeypatch, cuda, bfloat16, expected, kind):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: cuda)
    monkeypatch.setattr(
        launch.compat, 'cpu_computes_bfloat16', lambda: bfloat16
    )
    cfg = config(optim_wrapper=dict(type=kind, clip_grad=None))
    launch.enable_amp(cfg)
    assert cfg.optim_wrapper == dict(clip_grad=None, **expected)


def test_resume_takes_the_last_checkpoint(tmp_path):
    cfg = config(work_dir=str(tmp_path), load_from='start.pth', resume=True)
    launch.set_resume(cfg, None)
    assert cfg.resume
    launch.set_resume(cfg, 'auto')
    # Without a checkpoint it starts as without --resume.
    assert (cfg.resume, cfg.load_from) == (False, 'start.pth')
    path = tmp_path / 'epoch_2.pth'
    path.touch()
    (tmp_path / 'last_checkpoint').write_text('/moved/since/epoch_2.pth')
    for given in ('auto', str(path)):
        cfg.resume = False
        launch.set_resume(cfg, given)
        assert (cfg.resume, cfg.load_from) == (True, str(path))


def voting_config(**changes) -> Config:
    parts = dict(
        model=dict(type='A', size=1),
        test_dataloader=dict(batch_size=1),
        test_cfg=dict(),
        tta_model=dict(type='T'),
        tta_dataloader=dict(batch_size=2),
        tta_cfg=dict(type='VotingTestLoop', rounds=3),
    )
    return config(**{**parts, **changes})


@pytest.mark.parametrize(('rounds', 'expected'), [(None, 3), (7, 7)])
def test_voting_replaces_model_data_and_loop(rounds, expected):
    cfg = voting_config()
    launch.enable_tta(cfg, 'a.py', rounds)
    assert cfg.model == dict(type='T', module=dict(type='A', size=1))
    assert cfg.test_dataloader.batch_size == 2
    assert cfg.test_cfg == dict(type='VotingTestLoop', rounds=expected)


def test_fixed_views_take_the_place_of_the_pipeline():
    steps = [dict(type='LoadScene')]
    cfg = config(
        model=dict(type='A'),
        test_dataloader=dict(dataset=dict(pipeline=[])),
        tta_model=dict(type='T'),
        tta_pipeline=steps,
    )
    with pytest.raises(UsageError, match=r'a\.py are fixed: no --votes'):
        launch.enable_tta(copy.deepcopy(cfg), 'a.py', 3)
    launch.enable_tta(cfg, 'a.py')
    assert cfg.model == dict(type='T', module=dict(type='A'))
    assert cfg.test_dataloader.dataset.pipeline == steps


def test_what_training_begins_with_is_left_out():
    init = dict(type='Pretrained', checkpoint='absent.pth')
    cfg = config(
        model=dict(
            type='A',
            init_cfg=init,
            backbone=dict(type='B', init_cfg=[dict(type='Normal'), init]),
            # Frozen parts may not be in the checkpoint of the model.
            teacher=dict(type='C', init_cfg=init),
            head=dict(type='D', init_cfg=dict(type='Normal')),
        )
    )
    launch.forget_pretrained(cfg)
    assert cfg.model.init_cfg is None
    assert cfg.model.backbone.init_cfg is None
    assert cfg.model.teacher.init_cfg == init
    assert cfg.model.head.init_cfg == dict(type='Normal')
    launch.forget_pretrained(config(model=dict(type='A')))


def load(text: str, options: dict | None = None) -> Config:
    Path('a.py').write_text(text)
    return launch.load_config('a.py', options)


def stale_note() -> None:
    Path('last_checkpoint').write_text('/gone/epoch_2.pth')
    launch.set_resume(config(work_dir='.'), 'auto')


@pytest.mark.parametrize(
    ('call', 'offender'),
    [
        (lambda: load('model = dict('), 'SyntaxError'),
        (lambda: load("_base_ = './absent.py'"), r'absent\.py'),
        (lambda: load('a = nowhere'), "'nowhere'"),
        (lambda: load('hooks = [1]', {'hooks.5.a': 2}), 'cfg-options'),
        (lambda: load('a = 1', {'custom_hook': []}), "'custom_hooks'"),
        (
            lambda: launch.enable_amp(
                config(optim_wrapper=dict(type='ApexOptimWrapper'))
            ),
            'ApexOptimWrapper',
        ),
        (
            lambda: launch.set_resume(config(work_dir='.'), 'absent.pth'),
            r'absent\.pth',
        ),
        (stale_note, '/gone/epoch_2.pth'),
        (
            lambda: launch.require(config(a=1), ['a', 'b', 'c'], 'toy.py'),
            r'toy\.py has no b, c',
        ),
        (
            lambda: launch.check_requirements(
                config(load_from='absent/a.pth'), 'toy.py'
            ),
            r'toy\.py cannot run yet: 1 problem\.\n  1\. .*absent/a\.pth',
        ),
        (
            lambda: launch.enable_tta(
                voting_config(tta_dataloader=None), 'a.py'
            ),
            'tta_dataloader',
        ),
    ],
)
def test_refusals(call, offender, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((UsageError, CheckpointError), match=offender):
        call()


class Clouds(nn.Module):
    """A classifier whose head averages over clouds, where it has layers."""

    def __init__(self, *hidden: nn.Module) -> None:
        super().__init__()
        self.backbone = nn.BatchNorm1d(2)
        self.head = nn.Sequential(nn.Linear(2, 2), *hidden)


HIDDEN = Clouds(nn.BatchNorm1d(2))


def start(model: nn.Module, count: int, endless: bool = False, **options):
    kind = InfiniteSampler if endless else DefaultSampler
    data = range(count)
    loader = DataLoader(data, batch_size=4, sampler=kind(data), **options)
    calls = []
    launch.start_training(
        SimpleNamespace(
            model=model,
            train_dataloader=loader,
            train=lambda: calls.append(1),
            hooks=[],
        )
    )
    return calls == [1]


@pytest.mark.parametrize(
    ('model', 'count', 'options'),
    [
        (HIDDEN, 3, dict(drop_last=True, endless=True)),
        (HIDDEN, 9, dict(drop_last=True)),
        (HIDDEN, 10, {}),
        (Clouds(), 9, {}),
    ],
)
def test_training_begins(model, count, options):
    assert start(model, count, **options)


@pytest.mark.parametrize(
    ('count', 'options', 'offender'),
    [
        (3, dict(drop_last=True), '3 samples make no batch of 4'),
        (9, {}, 'train_dataloader: 9 samples in batches of 4 leave one'),
        (0, {}, 'train_dataloader has no samples'),
    ],
)
def test_samples_that_make_no_batch(count, options, offender):
    with pytest.raises(UsageError, match=offender):
        start(HIDDEN, count, **options)
