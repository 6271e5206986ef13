"""Attention with dropout on a CPU, against the formula written out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mmdet3d_act.models.layers import dropout
from mmdet3d_act.models.layers.dropout import attend_with_dropout

LEVEL = round(0.3 * 65536)


def drawn(shape: torch.Size) -> Tensor:
    """The mask values of a call, from the same seed."""
    torch.manual_seed(3)
    keep = torch.empty((shape[0] * shape[1], *shape[2:]), dtype=torch.int8)
    for part, rows in dropout._blocks(keep.shape):
        dropout._draw(keep[part, rows], LEVEL)
    return keep.view(shape)


# Relative errors of values and gradients.
NEAR = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.01}


# Several heads in one block; several blocks of a head.
@pytest.mark.parametrize('dtype', NEAR)
@pytest.mark.parametrize('sizes', [(5, 7), (700, 900)])
@pytest.mark.parametrize('masked', [False, True])
def test_equals_formula(
    sizes: tuple[int, int], masked: bool, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    length, size = sizes
    own = [
        torch.randn(2, 3, n, 4).to(dtype).requires_grad_()
        for n in (length, size, size)
    ]
    leaves = [x.detach().double().requires_grad_() for x in own]
    query, key, value = leaves
    seen = torch.rand(2, 1, length, size) < 0.5 if masked else None
    keep = drawn(torch.Size((2, 3, length, size)))
    torch.manual_seed(3)
    out = attend_with_dropout(*own, 0.3, seen)
    logits = query @ key.transpose(-1, -2) / 2
    if masked:
        logits = logits.masked_fill(~seen, float('-inf'))
    weights = logits.softmax(-1).nan_to_num(0)
    expected = (weights * keep / (1 - LEVEL / 65536)) @ value
    grad = torch.randn_like(out)
    # Of the formula a query that sees nothing has no gradient.
    if masked:
        grad = grad * seen.any(-1)[..., None]
    found = (out, *torch.autograd.grad(out, own, grad))
    wanted = (expected, *torch.autograd.grad(expected, leaves, grad.double()))
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.dtype == dtype
        theirs = theirs.nan_to_num(0)
        assert (ours - theirs).norm() <= NEAR[dtype] * theirs.norm()
    assert abs(keep.double().mean() - 0.7) < 0.1


def test_a_query_that_sees_nothing_gets_nothing() -> None:
    ones = torch.ones(1, 1, 2, 4, requires_grad=True)
    seen = torch.tensor([[True, True], [False, False]])
    out = attend_with_dropout(ones, ones, ones, 0.1, seen)
    assert out[0, 0, 1].tolist() == [0.0] * 4
    out.sum().backward()
    assert ones.grad.isfinite().all()


def test_shares_are_as_asked_for() -> None:
    keep = torch.empty(1000, 999, dtype=torch.int8)
    torch.manual_seed(0)
    for level in (0, 6554, 32768):
        dropout._draw(keep, level)
        share = 1 - keep.double().mean()
        assert abs(share - level / 65536) < 0.002


def test_what_is_left_is_scaled() -> None:
    torch.manual_seed(0)
    x = torch.full((1000, 999), 0.9, requires_grad=True)
    out = dropout.Dropout(0.1)(x)
    out.sum().backward()
    left = out[out != 0]
    assert abs(left.numel() / out.numel() - 0.9) < 0.002
    torch.testing.assert_close(left, torch.ones_like(left), rtol=1e-4, atol=0)
    torch.testing.assert_close(x.grad, out.detach() / 0.9)
