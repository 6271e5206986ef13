"""Weights that do not fit: an error in tests, a warning in trainings."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from mmengine.model import BaseTTAModel
from mmengine.runner import BaseLoop
from torch import nn

from mmdet3d_act.engine.hooks import CheckpointFitHook, checkpoint_fit_hook
from mmdet3d_act.files import CheckpointError


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
    expected = (
        r'a\.pth does not fit .*: 1 weights missing \(bias\); 1 weights '
        r'without a place \(head\.weight\); 1 weights of another shape '
        r'\(weight \(4, 2\) instead of \(3, 2\)\)\. Give the config'
    )
    with pytest.raises(CheckpointError, match=expected):
        load(state, **options)


def test_a_training_may_start_from_a_part(monkeypatch):
    said = []
    monkeypatch.setattr(
        checkpoint_fit_hook, 'print_log', lambda text, **_: said.append(text)
    )
    load({'weight': torch.ones(3, 2)}, trains=True)
    assert '1 weights missing (bias)' in said[0]


def test_a_converted_network_of_other_settings_is_a_warning(monkeypatch):
    said = []
    monkeypatch.setattr(
        checkpoint_fit_hook, 'print_log', lambda text, **_: said.append(text)
    )
    model = nn.Module()
    model.backbone = nn.Module()
    model.backbone.skip_origin, model.backbone.num_groups = False, 64
    text = 'model = dict(backbone=dict(skip_origin=True, num_groups=64))'
    meta = dict(converted=dict(source='a.pth'), cfg=text)
    hook = CheckpointFitHook()
    state = dict(state_dict={}, meta=meta)
    hook.after_load_checkpoint(runner_of(model), state)
    assert 'backbone: skip_origin=True instead of False; the' in said[0]
    model.backbone.skip_origin = True
    hook.after_load_checkpoint(runner_of(model), state)
    assert len(said) == 1


def test_long_lists_are_cut():
    state = {f'a{index}': torch.ones(1) for index in range(5)}
    with pytest.raises(CheckpointError, match=r'\(a0, a1, a2, \.\.\.\)'):
        load(state)


def test_averaged_views_hide_the_model():
    class Views(BaseTTAModel):
        def merge_preds(self, samples: list) -> list:
            return samples

    module = nn.Linear(2, 3)
    views = Views.__new__(Views)
    nn.Module.__init__(views)
    views.module = module
    state = module.state_dict()
    CheckpointFitHook().after_load_checkpoint(runner_of(views), state)
    state.pop('bias')
    with pytest.raises(CheckpointError, match='bias'):
        CheckpointFitHook().after_load_checkpoint(runner_of(views), state)
