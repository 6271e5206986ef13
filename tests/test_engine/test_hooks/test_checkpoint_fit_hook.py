"""Weights that do not fit: an error in tests, a warning in trainings."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from mmengine.runner import BaseLoop
from torch import nn

from mmdet3d_act.checkpoint import CheckpointError
from mmdet3d_act.engine.hooks import CheckpointFitHook, checkpoint_fit_hook


class TrainLoop(BaseLoop):
    def __init__(self) -> None:
        pass

    def run(self) -> None:
        pass


def runner_of(
    model: nn.Module, *, trains: bool = False, resumes: bool = False
) -> SimpleNamespace:
    return SimpleNamespace(
        model=model,
        work_dir='work',
        _load_from='a.pth',
        _resume=resumes,
        _train_loop=TrainLoop() if trains else dict(max_epochs=1),
    )


def load(state: dict, **options) -> None:
    runner = runner_of(nn.Linear(2, 3), **options)
    CheckpointFitHook().after_load_checkpoint(runner, dict(state_dict=state))


def test_weights_that_fit():
    load({'weight': torch.ones(3, 2), 'bias': torch.ones(3)})
    load({'module.weight': torch.ones(3, 2), 'module.bias': torch.ones(3)})


@pytest.mark.parametrize(
    'options', [{}, dict(trains=True, resumes=True)], ids=['test', 'resume']
)
def test_what_does_not_fit_is_named(options):
    state = {'weight': torch.ones(4, 2), 'head.weight': torch.ones(1)}
    expected = r'a\.pth .*\(bias\).*\(head\.weight\).*\(weight.*4, 2'
    with pytest.raises(CheckpointError, match=expected):
        load(state, **options)


@pytest.fixture
def said(monkeypatch):
    messages = []
    monkeypatch.setattr(checkpoint_fit_hook, 'warn', messages.append)
    return messages


def test_a_training_may_start_from_a_part(said):
    load({'weight': torch.ones(3, 2)}, trains=True)
    assert 'missing (bias)' in said[0]


def test_a_training_does_not_start_from_nothing():
    with pytest.raises(CheckpointError, match=r'model\.backbone\.init_cfg'):
        load({'student.weight': torch.ones(3, 2)}, trains=True)


def test_a_backbone_of_other_settings_is_a_warning(said):
    model = nn.Module()
    model.backbone = nn.Linear(2, 3)
    model.backbone.skip_origin, model.backbone.num_groups = False, 64
    meta = dict(backbone=dict(skip_origin=True, num_groups=64))
    hook = CheckpointFitHook()
    state = dict(state_dict=model.state_dict(), meta=meta)
    hook.after_load_checkpoint(runner_of(model), state)
    assert 'skip_origin=True instead of False; the' in said[0]
    model.backbone.skip_origin = True
    hook.after_load_checkpoint(runner_of(model), state)
    assert len(said) == 1


def test_checkpoints_keep_the_settings_of_the_backbone():
    model = nn.Module()
    model.student = nn.Linear(2, 3)
    model.student.num_heads = 3
    checkpoint = dict(meta={})
    CheckpointFitHook().before_save_checkpoint(runner_of(model), checkpoint)
    assert checkpoint == dict(meta=dict(backbone=dict(num_heads=3)))


@pytest.mark.parametrize('changes', [{}, dict(up_axis='z')])
def test_other_data_than_the_pretraining_is_a_warning(said, changes):
    known = dict(up_axis='y', normalization='unit_sphere')
    runner = runner_of(nn.Module())
    runner.model.backbone = nn.Linear(2, 3)
    runner.model.backbone.pretrained_meta = known
    data = SimpleNamespace(metainfo={**known, 'classes': 'a', **changes})
    runner.train_dataloader = SimpleNamespace(dataset=data)
    CheckpointFitHook().before_train(runner)
    assert len(said) == len(changes)
    assert all("up_axis='y'" in text and "'z'" in text for text in said)
