"""The head of concept alignment."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmdet3d_act.models.heads import AlignmentHead
from mmdet3d_act.models.losses import (
    CosineFeatureLoss,
)
from tests.test_models import toys


def head(
    shape: tuple[int, ...] | None = (2, 6), **changes: object
) -> AlignmentHead:
    made = AlignmentHead(32, 3, target_shape=shape, **changes)
    return toys.randomize(made)


def case(shape: tuple[int, ...] = (2, 6)) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(4, 3, 32), torch.randn(4, *shape)


@pytest.mark.parametrize('shape', [(6,), (2, 6)])
@pytest.mark.parametrize('whole', [False, True])
def test_mean_squared_error_written_out(
    shape: tuple[int, ...], whole: bool
) -> None:
    made = head(shape, whole=whole, hidden_dims=5)
    tokens, target = case(shape)
    x = made.fc2(F.gelu(made.fc1(tokens.flatten(1))))
    pred = x.view(4, *shape)
    losses = made.loss(tokens, target)
    toys.assert_close(made(tokens), pred)
    toys.assert_close(losses['loss'], (pred - target).square().mean())
    # Each number of the target by its own mean over the clouds.
    constant = (target - target.mean(0)).square().mean()
    toys.assert_close(losses['constant_baseline'], constant)
    assert set(losses) == {'loss', 'constant_baseline'}
    assert made.predict(tokens).shape == (4, target[0].numel())


def test_cosine_is_of_every_token_or_of_the_whole() -> None:
    tokens, target = case()
    for whole in (False, True):
        made = head(whole=whole, loss=CosineFeatureLoss())
        pred, wanted = made(tokens), target
        if whole:
            pred, wanted = pred.flatten(1), target.flatten(1)
        expected = 1 - F.cosine_similarity(pred, wanted, dim=-1).mean()
        toys.assert_close(made.loss(tokens, target)['loss'], expected)


def test_size_may_come_later_but_not_twice() -> None:
    made = AlignmentHead(32, 3)
    tokens, _ = case()
    with pytest.raises(ValueError, match='give the head target_shape'):
        made(tokens)
    made.set_target_shape((6,))
    made.set_target_shape((6,))
    assert made(tokens).shape == (4, 6)
    with pytest.raises(ValueError, match=r'\(6,\), those .* are \(2, 6\)'):
        made.set_target_shape((2, 6))
