"""From the command line to a config: every option, and every refusal."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch.utils.data import DataLoader

from mmdet3d_act.engine import launch
from mmdet3d_act.engine.launch import UsageError
from tests.small_data import ROOT


def config(**kwargs) -> Config:
    return Config(dict(**kwargs))


@pytest.fixture
def no_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)


@pytest.fixture
def cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)


def test_options_replace_settings(tmp_path):
    path = tmp_path / 'a.py'
    path.write_text('model = dict(type="A", size=1)\n')
    cfg = launch.load_config(str(path), {'model.size': 2, 'extra': 'b'})
    assert cfg.model == dict(type='A', size=2)
    assert cfg.extra == 'b'


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('model = dict(', 'SyntaxError'),
        ("_base_ = './absent.py'\n", 'absent.py'),
        ('a = nowhere\n', "NameError: name 'nowhere'"),
    ],
)
def test_unreadable_config_is_one_message(tmp_path, text, message):
    path = tmp_path / 'a.py'
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        launch.load_config(str(path))


def test_options_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / 'a.py'
    path.write_text('hooks = [1]\n')
    with pytest.raises(UsageError, match='--cfg-options do not fit'):
        launch.load_config(str(path), {'hooks.5.a': 2})


def test_a_misspelt_option_is_refused(tmp_path):
    path = tmp_path / 'a.py'
    path.write_text('train_cfg = dict(by_epoch=True)\n')
    message = r"no setting 'custom_hook', .* did you mean 'custom_hooks'"
    with pytest.raises(UsageError, match=message):
        launch.load_config(str(path), {'custom_hook': []})
    options = {'tta_dataloader.batch_size': 2, 'custom_hooks': [], 'mine': 1}
    assert launch.load_config(str(path), options).mine == 1


def test_work_dir_given_then_own_then_named_after_the_config():
    for given, own, expected in (
        ('x', 'y', 'x'),
        (None, 'y', 'y'),
        (None, None, str(Path('work_dirs') / 'toy')),
    ):
        cfg = config(work_dir=own)
        launch.set_work_dir(cfg, given, 'some/where/toy.py')
        assert cfg.work_dir == expected


def test_seed_keeps_what_is_not_given():
    cfg = config(randomness=dict(seed=3, diff_rank_seed=True))
    launch.set_seed(cfg)
    assert cfg.randomness == dict(seed=3, diff_rank_seed=True)
    launch.set_seed(cfg, 5, deterministic=True)
    assert cfg.randomness == dict(
        seed=5, diff_rank_seed=True, deterministic=True
    )


def test_negative_seed_is_refused():
    cfg = config()
    with pytest.raises(UsageError, match='--seed must be >= 0, got -1'):
        launch.set_seed(cfg, -1)


@pytest.mark.usefixtures('no_cuda')
@pytest.mark.parametrize(
    ('computes', 'expected'),
    [(True, 'CPUAmpOptimWrapper'), (False, 'OptimWrapper')],
)
def test_amp_without_cuda(monkeypatch, computes, expected):
    """It is bfloat16, unless the CPU is many times slower with it."""
    monkeypatch.setattr(
        launch.compat, 'cpu_computes_bfloat16', lambda: computes
    )
    for kind in ('OptimWrapper', 'AmpOptimWrapper'):
        cfg = config(optim_wrapper=dict(type=kind, clip_grad=None))
        launch.enable_amp(cfg)
        assert cfg.optim_wrapper == dict(type=expected, clip_grad=None)


@pytest.mark.usefixtures('cuda')
def test_amp_with_cuda_is_mmengines():
    cfg = config(optim_wrapper=dict(optimizer=dict(type='SGD')))
    launch.enable_amp(cfg)
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'
    assert cfg.optim_wrapper.loss_scale == 'dynamic'


def test_amp_knows_classes_as_types(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    for kind in (OptimWrapper, 'mmengine.OptimWrapper'):
        cfg = Config(dict(optim_wrapper=dict(type=kind)))
        launch.enable_amp(cfg)
        assert cfg.optim_wrapper.type == 'AmpOptimWrapper'
    cfg = Config(dict(optim_wrapper=dict(type=AmpOptimWrapper)))
    launch.enable_amp(cfg)
    assert cfg.optim_wrapper.type is AmpOptimWrapper


def test_amp_refuses_other_wrappers():
    cfg = config(optim_wrapper=dict(type='ApexOptimWrapper'))
    with pytest.raises(UsageError, match='the config has ApexOptimWrapper'):
        launch.enable_amp(cfg)


def test_auto_scale_lr_needs_its_batch_size():
    cfg = config(auto_scale_lr=dict(enable=False, base_batch_size=64))
    launch.enable_auto_scale_lr(cfg)
    assert cfg.auto_scale_lr.enable
    cfg = config(auto_scale_lr=dict(enable=False))
    with pytest.raises(UsageError, match='base_batch_size'):
        launch.enable_auto_scale_lr(cfg)


def test_resume_takes_the_last_checkpoint(tmp_path):
    cfg = config(work_dir=str(tmp_path), load_from='start.pth', resume=True)
    launch.set_resume(cfg, None)
    assert cfg.resume
    launch.set_resume(cfg, 'auto')
    # Without a checkpoint it starts as without --resume.
    assert (cfg.resume, cfg.load_from) == (False, 'start.pth')
    (tmp_path / 'epoch_2.pth').touch()
    (tmp_path / 'last_checkpoint').write_text('/moved/since/epoch_2.pth')
    launch.set_resume(cfg, 'auto')
    assert (cfg.resume, cfg.load_from) == (
        True,
        str(tmp_path / 'epoch_2.pth'),
    )


def test_resume_from_a_path(tmp_path):
    cfg = config(work_dir=str(tmp_path))
    path = tmp_path / 'a.pth'
    path.touch()
    launch.set_resume(cfg, str(path))
    assert (cfg.resume, cfg.load_from) == (True, str(path))


def test_resume_refuses_what_is_gone(tmp_path):
    cfg = config(work_dir=str(tmp_path))
    with pytest.raises(UsageError, match=r'--resume: absent.pth does not'):
        launch.set_resume(cfg, 'absent.pth')


def test_resume_refuses_a_stale_note(tmp_path):
    (tmp_path / 'last_checkpoint').write_text('/gone/epoch_2.pth')
    with pytest.raises(UsageError, match=r'names /gone/epoch_2.pth'):
        launch.last_checkpoint(tmp_path)


def test_require_names_what_is_absent():
    cfg = config(model=dict(), test_cfg=None)
    launch.require(cfg, ['model'], 'toy.py')
    with pytest.raises(UsageError, match=r'toy.py has no test_cfg, val_cfg'):
        launch.require(cfg, ['model', 'test_cfg', 'val_cfg'], 'toy.py')


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


def test_voting_needs_its_parts():
    cfg = voting_config(tta_dataloader=None)
    message = r'a\.py has no tta_dataloader; write them as (\S+) and its '
    with pytest.raises(UsageError, match=message) as caught:
        launch.enable_tta(cfg, 'a.py')
    example = re.search(message, str(caught.value))[1]
    theirs = Config.fromfile(ROOT / example)
    launch.enable_tta(theirs, example)
    with pytest.raises(UsageError, match='--votes must be >= 1, got 0'):
        launch.enable_tta(voting_config(), 'a.py', 0)


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


@pytest.mark.parametrize('endless', [False, True])
def test_training_needs_a_batch_unless_samples_never_end(endless):
    kind = InfiniteSampler if endless else DefaultSampler
    loader = DataLoader(
        range(3), batch_size=4, drop_last=True, sampler=kind(range(3))
    )
    calls = []
    runner = SimpleNamespace(
        train_dataloader=loader, train=lambda: calls.append(1)
    )
    if endless:
        launch.start_training(runner)
    else:
        with pytest.raises(UsageError, match='3 samples make no batch of 4'):
            launch.start_training(runner)
    assert len(calls) == endless
