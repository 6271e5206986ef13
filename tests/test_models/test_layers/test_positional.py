"""The position embedding."""

from __future__ import annotations

import math

import pytest
import torch

from mmdet3d_act.models.layers import PositionMLP
from tests.test_models import toys


def test_shape_and_default_width() -> None:
    embed = PositionMLP(32)
    assert embed(torch.rand(2, 8, 3)).shape == (2, 8, 32)
    assert embed.fc1.weight.shape == (128, 3)


def test_value_by_hand() -> None:
    embed = PositionMLP(1, hidden_dims=1)
    with torch.no_grad():
        embed.fc1.weight.copy_(torch.tensor([[1.0, 2.0, -1.0]]))
        embed.fc1.bias.fill_(0.25)
        embed.fc2.weight.fill_(2.0)
        embed.fc2.bias.fill_(-3.0)
    hidden = 0.5 + 2 * 0.25 - 1.0 + 0.25
    gelu = hidden * 0.5 * (1 + math.erf(hidden / math.sqrt(2)))
    value = embed(torch.tensor([[[0.5, 0.25, 1.0]]])).item()
    assert value == pytest.approx(2 * gelu - 3)


def test_every_patch_on_its_own_and_all_parameters_trained() -> None:
    embed = toys.randomize(PositionMLP(32))
    centers = torch.randn(2, 8, 3)
    whole = embed(centers)
    toys.assert_close(whole[1, 3], embed(centers[1:2, 3:4])[0, 0])
    whole.square().sum().backward()
    assert toys.without_gradient(embed) == []
