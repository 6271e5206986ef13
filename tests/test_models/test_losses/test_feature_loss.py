"""Feature losses: values, optimum, gradients, the best constant."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmdet3d_act.models.losses import (
    CosineFeatureLoss,
    MSEFeatureLoss,
    SmoothL1FeatureLoss,
)

LOSSES = [CosineFeatureLoss, MSEFeatureLoss, SmoothL1FeatureLoss]
every_loss = pytest.mark.parametrize('kind', LOSSES)


def draw(seed: int, scale: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 5, 4, generator=generator) * scale + 0.5


@every_loss
def test_zero_at_the_optimum_and_symmetric(kind: type[nn.Module]) -> None:
    pred, target = draw(0), draw(1)
    assert kind()(pred, pred).item() == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(kind()(pred, target), kind()(target, pred))


@every_loss
def test_finite_gradient_at_the_edges(kind: type[nn.Module]) -> None:
    for pred in (torch.zeros(2, 5, 4), draw(1)):
        pred = pred.requires_grad_()
        kind()(pred, draw(1)).backward()
        assert pred.grad.isfinite().all()
        zero = torch.zeros(2, 5, 4)
        assert kind()(pred, zero).isfinite()


@every_loss
def test_gradient_reaches_the_prediction_only(kind: type[nn.Module]) -> None:
    pred, target = draw(0).requires_grad_(), draw(1)
    kind()(pred, target).backward()
    assert pred.grad.abs().sum() > 0
    baseline = kind().constant_baseline(target.requires_grad_())
    assert not baseline.requires_grad


def best_loss(
    loss: nn.Module, constant: torch.Tensor, target: torch.Tensor
) -> float:
    """Return the loss of the best constant, sought from a first one on."""
    constant.requires_grad_()
    optimizer = torch.optim.LBFGS(
        [constant], max_iter=300, line_search_fn='strong_wolfe'
    )

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss(constant.expand_as(target), target)
        value.backward()
        return value

    optimizer.step(step)
    return loss(constant.expand_as(target), target).item()


@pytest.mark.parametrize('scale', [0.2, 5.0])
@every_loss
def test_constant_baseline_is_the_loss_of_the_best_constant(
    kind: type[nn.Module], scale: float
) -> None:
    target = draw(3, scale)
    target[0, 0] *= 10
    loss = kind(loss_weight=2.0)
    best = best_loss(loss, torch.full((1, 1, 4), 0.3), target)
    assert loss.constant_baseline(target).item() == pytest.approx(
        best, rel=1e-4
    )
