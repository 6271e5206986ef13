"""The Chamfer loss of patches."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.registry import MODELS


def naive(pred: torch.Tensor, target: torch.Tensor, norm: str) -> float:
    """One patch, all pairs."""
    distances = torch.cdist(pred.double(), target.double())
    there, back = distances.amin(dim=1), distances.amin(dim=0)
    if norm == 'l1':
        return float((there.mean() + back.mean()) / 2)
    return float(there.square().mean() + back.square().mean())


@pytest.mark.parametrize('norm', ['l1', 'l2'])
def test_is_the_mean_over_patches(norm: str) -> None:
    torch.manual_seed(0)
    pred, target = torch.randn(2, 3, 4, 3), torch.randn(2, 3, 7, 3)
    loss = MODELS.build(
        dict(type='PatchChamferLoss', norm=norm, loss_weight=2.0)
    )
    values = [
        naive(pred[cloud, patch], target[cloud, patch], norm)
        for cloud in range(2)
        for patch in range(3)
    ]
    expected = 2 * sum(values) / len(values)
    assert loss(pred, target).item() == pytest.approx(expected, rel=1e-5)
