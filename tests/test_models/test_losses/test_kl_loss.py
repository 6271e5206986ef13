"""The Kullback-Leibler divergence of the codes."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.losses import kl_to_uniform


def test_never_negative_and_finite_for_extreme_logits() -> None:
    logits = torch.zeros(2, 8, 16)
    logits[..., 3] = 1e4
    logits.requires_grad_()
    value = kl_to_uniform(logits)
    value.backward()
    assert value.isfinite()
    assert value.item() > 1000
    assert logits.grad.isfinite().all()


def test_computed_in_float32_under_autocast() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 8, 16).bfloat16()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        value = kl_to_uniform(logits)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, kl_to_uniform(logits.float()))


def test_each_cloud_for_itself() -> None:
    logits = torch.randn(3, 5, 7)
    each = kl_to_uniform(logits, reduction='none')
    assert each.shape == (3,)
    for cloud, value in zip(logits, each, strict=True):
        torch.testing.assert_close(kl_to_uniform(cloud[None]), value)
    with pytest.raises(ValueError, match="got 'sum'"):
        kl_to_uniform(logits, reduction='sum')
