"""Maxima over one dimension, against plain forms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mmdet3d_act.models.layers.pooling import linear_max, max_pool


def values_and_gradients(x: torch.Tensor, dim: int) -> list[torch.Tensor]:
    """Return (value, gradient) of ``max_pool``, then of ``amax``."""
    found = []
    for pool in (max_pool, torch.Tensor.amax):
        leaf = x.clone().requires_grad_()
        out = pool(leaf, dim)
        generator = torch.Generator().manual_seed(1)
        weight = torch.rand(out.shape, generator=generator).to(x.dtype)
        (out * weight).sum().backward()
        found += [out.detach(), leaf.grad]
    return found


@pytest.mark.parametrize('dim', [0, 1, 2, -1, -2])
@pytest.mark.parametrize('ties', [False, True])
def test_equals_amax(dim: int, ties: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 5, 6)
    if ties:
        x = (x * 1.5).round()
    value, gradient, expected, expected_gradient = values_and_gradients(x, dim)
    assert torch.equal(value, expected)
    torch.testing.assert_close(gradient, expected_gradient)
    size = x.shape[dim]
    assert gradient.count_nonzero() >= x.numel() // size
    # Ties are there where they are meant to be.
    assert (gradient.count_nonzero() > x.numel() // size) == ties


def test_by_hand() -> None:
    x = torch.tensor([[3.0, 1.0, 3.0], [0.0, -1.0, -2.0]], requires_grad=True)
    out = max_pool(x, 1)
    (out * torch.tensor([4.0, 5.0])).sum().backward()
    assert out.tolist() == [3.0, 0.0]
    assert x.grad.tolist() == [[2.0, 0.0, 2.0], [5.0, 0.0, 0.0]]


def gradients(out: Tensor, *leaves: Tensor) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    weight = torch.rand(out.shape, generator=generator, dtype=out.dtype)
    return list(torch.autograd.grad((out * weight).sum(), leaves))


@pytest.mark.parametrize('amp', [False, True], ids=['float32', 'bfloat16'])
@pytest.mark.parametrize('patches', [3, 40])
def test_linear_max(patches: int, amp: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(patches, 32, 7, requires_grad=True)
    fc = nn.Linear(7, 600)
    leaves = (x, fc.weight, fc.bias)
    with torch.autocast('cpu', torch.bfloat16, enabled=amp):
        out = linear_max(x, fc.weight, fc.bias)
        expected = max_pool(fc(x), dim=1)
    assert out.dtype == expected.dtype
    if amp:
        torch.testing.assert_close(out, expected, rtol=0.02, atol=0.02)
        return
    torch.testing.assert_close(out, expected)
    for pair in zip(
        gradients(out, *leaves), gradients(expected, *leaves), strict=True
    ):
        torch.testing.assert_close(*pair, rtol=1e-4, atol=1e-4)


def test_first_of_equal_maxima_gets_the_gradient() -> None:
    x = torch.tensor([[[1.0], [2.0], [2.0]]], requires_grad=True)
    out = linear_max(x, torch.ones(1, 1), torch.zeros(1))
    out.backward(torch.tensor([[3.0]]))
    assert x.grad.flatten().tolist() == [0.0, 3.0, 0.0]
