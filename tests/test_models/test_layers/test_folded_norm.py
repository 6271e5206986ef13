"""Folded batch norms, against the norm on the map's result."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet3d_act.models.layers import MiniPointNet, folded_norm
from mmdet3d_act.models.layers.folded_norm import (
    linear_norm_max,
    linear_norm_relu,
)

KINDS = ('alike', 'by patch', 'rows', 'maximum')


def example() -> tuple[Tensor, nn.Linear, nn.BatchNorm1d]:
    torch.manual_seed(0)
    x = torch.randn(40, 8, 5, dtype=torch.float64) + 2
    fc, norm = nn.Linear(5, 20).double(), nn.BatchNorm1d(20).double()
    # Some fall with their input, and the ReLU cuts some off.
    for value in (norm.weight, norm.bias, norm.running_mean):
        nn.init.normal_(value)
    return x.requires_grad_(), fc, norm


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('kind', KINDS)
def test_equals_the_norm(
    kind: str, training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folded_norm, 'CACHED_VALUES', 1000)  # Several parts.
    x, fc, norm = example()
    norm.train(training)
    other, offset = copy.deepcopy(norm), fc.bias
    if kind in ('by patch', 'rows'):
        offset = torch.randn(40, 20, dtype=x.dtype, requires_grad=True)
    rows = torch.tensor([30, 2, 7]) if kind == 'rows' else None
    layer = (x, fc.weight, offset)
    if kind == 'maximum':
        out = linear_norm_max(*layer, norm)
    else:
        out = linear_norm_relu(*layer, norm, rows)
    y = x @ fc.weight.t() + offset.view(-1, 1, 20)
    expected = F.relu(other(y.flatten(0, 1)).view_as(y))
    expected = expected if rows is None else expected[rows]
    expected = expected.amax(1) if kind == 'maximum' else expected
    torch.testing.assert_close(out, expected)
    weight = torch.rand_like(out)
    for pair in zip(
        torch.autograd.grad(out, (*layer, norm.weight, norm.bias), weight),
        torch.autograd.grad(
            expected, (*layer, other.weight, other.bias), weight
        ),
        strict=True,
    ):
        torch.testing.assert_close(*pair)
    for pair in zip(norm.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(*pair)


class OtherNorm(nn.BatchNorm1d):
    """Not folded."""


@pytest.mark.parametrize('amp', [False, True], ids=['float32', 'bfloat16'])
def test_gradients_are_nearer_to_exact_ones(amp: bool) -> None:
    torch.manual_seed(0)
    folded, clouds = MiniPointNet(32), torch.randn(4, 16, 32, 3)
    weight = torch.randn(4, 16, 32)
    plain = copy.deepcopy(folded)
    plain.norm1, plain.norm2 = OtherNorm(128), OtherNorm(512)
    exact = copy.deepcopy(plain).double()
    with torch.autocast('cpu', torch.bfloat16, enabled=amp):
        outputs = [net(clouds) for net in (folded, plain)]
    for out in (*outputs, exact(clouds.double())):
        (out.double() * weight).sum().backward()
    for name, value in exact.named_parameters():
        # Biases before a norm have no gradient.
        if not name.endswith('bias') or name.startswith('norm'):
            far = [
                (net.get_parameter(name).grad - value.grad).norm()
                for net in (folded, plain)
            ]
            assert far[0] < (1.1 if amp else 1.5) * far[1], name
