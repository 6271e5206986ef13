from __future__ import annotations

import pytest
import torch
from torch import nn

from mmdet3d_act.models.teachers import FrozenTeacher


class Toy(FrozenTeacher):
    """A linear layer whose weights are all of one value."""

    def __init__(
        self, value: float = 2.0, source: str | None = 'toy.pth', **kw
    ):
        super().__init__(nn.Linear(2, 2), **kw)
        self.value, self.source = value, source

    def read_pretrained(self):
        self.network.weight.fill_(self.value)
        self.network.bias.zero_()
        return self.source

    def settings(self):
        return {'type': 'Toy'}


def test_weights_come_with_init_weights() -> None:
    toy = Toy()
    with pytest.raises(RuntimeError, match='call init_weights'):
        toy.identity()
    toy.init_weights()
    assert torch.equal(toy.network.weight, torch.full((2, 2), 2.0))
    assert not any(p.requires_grad for p in toy.parameters())
    assert not toy.train().network.training


def test_weights_are_read_once() -> None:
    toy = Toy()
    toy.init_weights()
    toy.value = 5.0
    toy.init_weights()
    assert toy.network.weight[0, 0] == 2


def test_identity_tells_weights_apart() -> None:
    one, same, other = Toy(), Toy(), Toy(3.0)
    for toy in (one, same, other):
        toy.init_weights()
    assert one.identity() == same.identity()
    assert one.identity()['type'] == 'Toy'
    assert one.identity()['sha256'] != other.identity()['sha256']


def test_checkpoints_hold_the_source_alone() -> None:
    toy = Toy()
    toy.init_weights()
    assert list(toy.state_dict()) == ['frozen.frozen_source']
    unnamed = Toy(source=None)
    unnamed.init_weights()
    assert 'frozen.module.weight' in unnamed.state_dict()


def test_random_weights_need_no_file() -> None:
    toy = Toy(pretrained=False)
    weight = toy.network.weight.clone()
    toy.init_weights()
    assert torch.equal(toy.network.weight, weight)
    assert len(toy.identity()['sha256']) == 64
