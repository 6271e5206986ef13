"""The head of feature distillation."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.heads import FeatureHead
from mmdet3d_act.models.losses import (
    BarlowTwinsFeatureLoss,
    CosineFeatureLoss,
    MSEFeatureLoss,
    NTXentFeatureLoss,
    SmoothL1FeatureLoss,
)
from tests.test_models import toys


def case(passes: int) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    preds = [torch.randn(2, 3, 32) for _ in range(passes)]
    return preds, torch.randn(2, 8, 6), toys.fixed_mask()


@pytest.mark.parametrize('passes', [1, 2])
def test_loss_of_the_masked_patches(passes: int) -> None:
    preds, target, mask = case(passes)
    head = toys.randomize(FeatureHead(32, 6))
    losses = head.loss(preds, target, mask)
    wanted = torch.stack([cloud[[1, 4, 6]] for cloud in target])
    cosine = torch.nn.CosineSimilarity(dim=-1)
    expected = sum((1 - cosine(head.proj(p), wanted)).mean() for p in preds)
    toys.assert_close(losses['loss'], expected)
    baseline = passes * head.loss_fn.constant_baseline(wanted)
    toys.assert_close(losses['constant_baseline'], baseline)
    assert set(losses) == {'loss', 'constant_baseline'}
    assert [pred.shape for pred in head(preds)] == [(2, 3, 6)] * passes


LOSSES = {
    CosineFeatureLoss: 2,
    MSEFeatureLoss: 1,
    SmoothL1FeatureLoss: 1,
    NTXentFeatureLoss: 2,
    BarlowTwinsFeatureLoss: 2,
}


@pytest.mark.parametrize('kind', LOSSES)
def test_every_loss_counts_the_shallow_branch(kind: type) -> None:
    preds, target, mask = case(2)
    head = toys.randomize(FeatureHead(32, 6, loss=kind()))
    both = head.loss(preds, target, mask)
    singles = [head.loss([pred], target, mask) for pred in preds]
    for key, value in both.items():
        toys.assert_close(value, singles[0][key] + singles[1][key])


@pytest.mark.parametrize('kind', LOSSES)
def test_published_code_forgets_it_where_elements_are_averaged(
    kind: type,
) -> None:
    preds, target, mask = case(2)
    head = FeatureHead(32, 6, loss=kind(), published_branch_loss=True)
    toys.randomize(head)
    values = head.loss(preds, target, mask)
    expected = head.loss(preds[:1], target, mask)
    if LOSSES[kind] == 2:
        second = head.loss(preds[1:], target, mask)
        expected = {key: expected[key] + second[key] for key in expected}
    for key, value in values.items():
        toys.assert_close(value, expected[key])
