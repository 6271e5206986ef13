"""The maximum over one dimension, against ``Tensor.amax``."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.layers.pooling import max_pool


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
