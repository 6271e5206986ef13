"""A short run of the small classification config under every protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope

from mmdet3d_act.apis import prepare_config, train
from mmdet3d_act.registry import MODELS
from tests.config_files import CONFIGS, RUN, load
from tests.test_tools.test_train import run_here

TINY = 'act/act_cls_real-shapes_tiny.py'


@pytest.fixture(autouse=True)
def _scope(_no_global_instances: None) -> Iterator[None]:
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        yield


@pytest.fixture
def student(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """Weights of the tiny student, named by the environment."""
    backbone = load(TINY).model.backbone
    backbone.init_cfg = None
    torch.manual_seed(0)
    state = MODELS.build(backbone).state_dict()
    state = {f'student.{key}': value for key, value in state.items()}
    torch.save(dict(state_dict=state), 'student.pth')
    monkeypatch.setenv('ACT_PRETRAINED', 'student.pth')
    return state


def fine_tune(
    folder: str, epochs: int = 1, resume: str | None = None
) -> dict[str, torch.Tensor]:
    """Train the tiny config; return the weights."""
    options = {
        **RUN,
        'train_dataloader.batch_size': 4,
        # As many as the small data have.
        'model.head.num_classes': 2,
        'train_cfg.max_epochs': epochs,
    }
    cfg = prepare_config(
        str(CONFIGS / TINY), folder, options=options, resume=resume, seed=0
    )
    return torch.load(train(cfg), weights_only=True)['state_dict']


@pytest.mark.parametrize('transfer', ['full', 'bitfit', 'side'])
def test_small_run_under_every_protocol(
    transfer: str, student: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('ACT_TRANSFER', transfer)
    state = fine_tune('run')
    assert all(value.isfinite().all() for value in state.values())
    changed = {
        name
        for name, value in student.items()
        if not torch.equal(value, state[name.replace('student', 'backbone')])
    }
    assert 'student.cls_token' in changed
    weights = any(name.endswith('qkv.weight') for name in changed)
    biases = any(name.endswith('proj.bias') for name in changed)
    assert weights == (transfer == 'full')
    assert biases == (transfer in ('full', 'bitfit'))
    names = {path.name for path in Path('run').iterdir()}
    assert {
        'best_overall_accuracy_epoch_1.pth',
        'confusion_matrix_val.csv',
        'confusion_matrix_val.png',
    } <= names


def test_small_run_of_updates_is_resumed_tested_and_merged(
    student: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('peft')
    monkeypatch.setenv('ACT_TRANSFER', 'lora')
    whole = fine_tune('whole', 2)
    fine_tune('parts', 1)
    state = fine_tune('parts', 2, 'auto')
    assert set(state) == set(whole)
    assert all(torch.equal(state[name], whole[name]) for name in state)
    for name in ('cls_token', 'blocks.0.norm1.weight'):
        assert torch.equal(
            state[f'backbone.{name}'], student[f'student.{name}']
        )
    options = (
        '--cfg-options',
        'model.head.num_classes=2',
        'test_dataloader.num_workers=0',
    )
    assert run_here('test', str(CONFIGS / TINY), 'parts', *options) == 0
    # A backbone without peft reads the updates added to the weights.
    config = load(TINY).model
    config.head.num_classes = 2
    tuned = MODELS.build(config).eval()
    tuned.load_state_dict(state)
    config.backbone.init_cfg.checkpoint = 'parts'
    plain = MODELS.build(config.backbone).eval()
    plain.init_weights()
    points = torch.rand(2, 64, 3)
    torch.testing.assert_close(
        plain(points)['features'], tuned.backbone(points)['features']
    )
    weight = 'blocks.0.attn.qkv.weight'
    assert not torch.equal(
        plain.state_dict()[weight], student[f'student.{weight}']
    )


def test_small_run_then_votes(
    student: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('ACT_TRANSFER', 'linear')
    fine_tune('linear')
    # Its own weights are all there; the student's file is not needed.
    Path('student.pth').unlink()
    options = (
        '--cfg-options',
        'model.head.num_classes=2',
        'test_dataloader.num_workers=0',
    )
    test = ('test', str(CONFIGS / TINY), 'linear/epoch_1.pth', '--out')
    assert run_here(*test, 'plain.json', *options) == 0
    plain = json.loads(Path('plain.json').read_text())
    assert set(plain) == {'overall_accuracy', 'mean_class_accuracy'}
    assert run_here(*test, 'v.json', '--tta', '--votes', '2', *options) == 0
    voted = json.loads(Path('v.json').read_text())
    kinds = ('vote', 'mean_of_2_votes', 'std_of_2_votes', 'best_of_2_votes')
    assert set(voted) == {f'{k}/{name}' for k in kinds for name in plain}
    best = voted['best_of_2_votes/overall_accuracy']
    assert best >= voted['vote/overall_accuracy'] >= 0
    other = str(CONFIGS / 'act/act_cls_scanobjectnn_tiny.py')
    assert run_here('test', other, 'linear/epoch_1.pth', '--tta') == 2
