from __future__ import annotations

import copy
import hashlib

import mmengine.runner.checkpoint as mmcheckpoint
import pytest
import torch
from torch import nn

from mmdet3d_act.models.layers.frozen import (
    FROZEN_SOURCE,
    FrozenModule,
    decode_source,
)


def layers(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


class Whole(nn.Module):
    """A frozen part and a trained one."""

    def __init__(self, source='net.pth', seed: int = 0, **settings) -> None:
        super().__init__()
        self.part = FrozenModule(layers(seed), source, **settings)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.part(x))


def torch_save(model: nn.Module) -> dict:
    return model.state_dict()


def torch_load(model: nn.Module, state: dict) -> None:
    model.load_state_dict(state, strict=True)


def mm_load(model: nn.Module, state: dict) -> None:
    mmcheckpoint.load_state_dict(model, state, strict=True)


SAVES = (torch_save, mmcheckpoint.get_state_dict)
LOADS = (torch_load, mm_load)


def test_training_leaves_it_as_it_is() -> None:
    model = Whole().train()
    before = copy.deepcopy(model.part.module.state_dict())
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=1)
    x = torch.randn(8, 3, requires_grad=True)
    model(x).square().sum().backward()
    optimizer.step()
    assert not any(part.training for part in model.part.modules())
    assert model.head.training
    assert all(p.grad is None for p in model.part.parameters())
    assert x.grad.abs().sum() > 0
    for name, value in model.part.module.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_train_mode_follows_without_gradient() -> None:
    model = Whole(train_mode=True).train()
    before = model.part.module[1].running_mean.clone()
    fingerprint = model.part.fingerprint()
    model(torch.randn(8, 3)).sum().backward()
    assert model.part.module.training
    assert all(p.grad is None for p in model.part.parameters())
    assert not torch.equal(model.part.module[1].running_mean, before)
    model.part.set_source('net.pth')
    assert model.part.fingerprint() == fingerprint
    assert not model.eval().part.module.training


@pytest.mark.parametrize('save', SAVES)
@pytest.mark.parametrize('load', LOADS)
def test_checkpoint_holds_the_source_only(save, load) -> None:
    model = Whole('/somewhere/net.pth')
    state = save(model)
    assert set(state) == {
        'part.frozen_source',
        'head.weight',
        'head.bias',
    }
    assert decode_source(state['part.frozen_source']) == {
        'source': 'net.pth',
        'sha256': model.part.fingerprint(),
    }
    other = Whole('renamed.pth')
    with torch.no_grad():
        other.head.weight.zero_()
    load(other, state)
    assert torch.equal(other.head.weight, model.head.weight)
    assert torch.equal(
        other.part.module[0].weight, model.part.module[0].weight
    )
    assert set(state) == set(save(model))


@pytest.mark.parametrize('load', LOADS)
def test_other_weights_are_refused(load) -> None:
    state = Whole('net.pth').state_dict()
    other = Whole('other.pth', seed=1)
    with pytest.raises(ValueError, match=r'net\.pth .*those of other\.pth'):
        load(other, state)


def test_random_weights_against_a_source_are_refused() -> None:
    with pytest.raises(ValueError, match='no file'):
        Whole(None, seed=1).load_state_dict(Whole().state_dict())


@pytest.mark.parametrize('save', SAVES)
@pytest.mark.parametrize('load', LOADS)
def test_without_a_source_the_weights_are_stored(save, load) -> None:
    model, other = Whole(None), Whole(None, seed=1)
    load(other, save(model))
    assert f'part.{FROZEN_SOURCE}' not in save(model)
    assert torch.equal(
        other.part.module[0].weight, model.part.module[0].weight
    )
    assert other.part.fingerprint() == model.part.fingerprint()


@pytest.mark.parametrize('load', LOADS)
def test_full_checkpoint_replaces_the_weights(load) -> None:
    model, full = Whole('net.pth'), Whole(None, seed=1).state_dict()
    old = model.part.fingerprint()
    load(model, full)
    assert model.part.fingerprint() != old
    assert 'part.module.0.weight' in model.state_dict()
    same = Whole('net.pth')
    load(same, Whole(None).state_dict())
    assert 'part.module.0.weight' not in same.state_dict()


def test_train_mode_stores_buffers() -> None:
    model = Whole(train_mode=True).train()
    model(torch.randn(8, 3))
    state = model.state_dict()
    assert 'part.module.1.running_mean' in state
    assert 'part.module.0.weight' not in state
    other = Whole(train_mode=True)
    other.load_state_dict(state, strict=True)
    buffer = other.part.module[1].running_mean
    assert torch.equal(buffer, model.part.module[1].running_mean)


def nested(seed: int = 0, source: str | None = 'outer.pth') -> FrozenModule:
    return FrozenModule(Whole('inner.pth', seed=seed), source)


@pytest.mark.parametrize('save', SAVES)
@pytest.mark.parametrize('load', LOADS)
def test_nested(save, load) -> None:
    torch.manual_seed(5)
    model = nn.ModuleDict({'net': nested()})
    assert set(save(model)) == {'net.frozen_source'}
    twin = copy.deepcopy(model)
    load(twin, save(model))
    with torch.no_grad():
        twin['net'].module.part.module[0].weight.zero_()
    twin['net'].set_source('outer.pth')
    with pytest.raises(ValueError, match='trained with Whole weights'):
        load(twin, save(model))


def test_pending_compares_once_weights_are_there() -> None:
    model = Whole('net.pth')
    late = Whole(None, pending=True)
    late.load_state_dict(model.state_dict(), strict=True)
    assert late.state_dict().keys() == model.state_dict().keys()
    late.part.set_source('net.pth')
    wrong = Whole(None, seed=1, pending=True)
    wrong.load_state_dict(model.state_dict(), strict=True)
    with pytest.raises(ValueError, match='trained with Sequential weights'):
        wrong.part.set_source('net.pth')


def test_pending_cannot_be_used() -> None:
    model = Whole(None, pending=True)
    with pytest.raises(RuntimeError, match=r'call init_weights\(\)'):
        model(torch.rand(2, 3))
    model.load_state_dict(Whole(None).state_dict())
    assert model(torch.rand(2, 3)).shape == (2, 2)


def test_fingerprint_is_the_stated_one() -> None:
    weight = torch.tensor([[1.0, 2.0]])
    linear = nn.Linear(2, 1, bias=False)
    linear.weight.data = weight
    digest = hashlib.sha256(b'weight torch.float32 (1, 2)')
    digest.update(weight.numpy().tobytes())
    assert FrozenModule(linear).fingerprint() == digest.hexdigest()


def test_damaged_entry_is_refused() -> None:
    state = Whole().state_dict()
    state['part.frozen_source'] = torch.zeros(3, dtype=torch.uint8)
    with pytest.raises(ValueError, match='is damaged'):
        Whole().load_state_dict(state)


def test_a_copy_shares_what_is_frozen() -> None:
    """EMAHook copies the model before the weights are loaded."""
    frozen = FrozenModule(nn.Linear(2, 2), pending=True)
    averaged = copy.deepcopy(nn.Sequential(frozen, nn.Linear(2, 2)))
    frozen.set_source('a.pth')
    assert list(averaged.state_dict()) == [
        '0.frozen_source',
        '1.weight',
        '1.bias',
    ]
