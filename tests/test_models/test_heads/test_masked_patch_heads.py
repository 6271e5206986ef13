"""Heads that predict features, points or codes of masked patches."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmdet3d_act.models.heads import CodeHead, CoordinateHead, FeatureHead
from mmdet3d_act.models.losses import (
    BarlowTwinsFeatureLoss,
    CosineFeatureLoss,
    MSEFeatureLoss,
    NTXentFeatureLoss,
    SmoothL1FeatureLoss,
)
from mmdet3d_act.ops import chamfer_distance
from tests.test_models import toys

MASKED = [1, 4, 6]


def case(passes: int) -> tuple[list[Tensor], Tensor]:
    torch.manual_seed(0)
    preds = [torch.randn(2, 3, 32) for _ in range(passes)]
    return preds, toys.fixed_mask()


@pytest.mark.parametrize('passes', [1, 2])
def test_loss_of_features(passes: int) -> None:
    preds, mask = case(passes)
    target = torch.randn(2, 8, 6)
    head = toys.randomize(FeatureHead(32, 6))
    losses = head.loss(preds, target, mask)
    wanted = torch.stack([cloud[MASKED] for cloud in target])
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
    preds, mask = case(2)
    target = torch.randn(2, 8, 6)
    head = toys.randomize(FeatureHead(32, 6, loss=kind()))
    both = head.loss(preds, target, mask)
    singles = [head.loss([pred], target, mask) for pred in preds]
    for key, value in both.items():
        toys.assert_close(value, singles[0][key] + singles[1][key])


@pytest.mark.parametrize('kind', LOSSES)
def test_published_code_forgets_it_where_elements_are_averaged(
    kind: type,
) -> None:
    preds, mask = case(2)
    target = torch.randn(2, 8, 6)
    head = FeatureHead(32, 6, loss=kind(), published_branch_loss=True)
    toys.randomize(head)
    values = head.loss(preds, target, mask)
    expected = head.loss(preds[:1], target, mask)
    if LOSSES[kind] == 2:
        second = head.loss(preds[1:], target, mask)
        expected = {key: expected[key] + second[key] for key in expected}
    for key, value in values.items():
        toys.assert_close(value, expected[key])


def test_loss_is_the_chamfer_distance_of_the_masked_patches() -> None:
    head = toys.randomize(CoordinateHead(32, 4))
    preds, mask = case(2)
    target = torch.randn(2, 8, 4, 3)
    wanted = target[:, MASKED].reshape(6, 4, 3)
    expected = sum(
        chamfer_distance(head.proj(pred).reshape(6, 4, 3), wanted, norm='l2')
        for pred in preds
    )
    losses = head.loss(preds, target, mask)
    assert set(losses) == {'loss'}
    toys.assert_close(losses['loss'], expected)


@pytest.mark.parametrize('passes', [1, 2])
def test_loss_of_codes(passes: int) -> None:
    preds, mask = case(passes)
    target = torch.randint(6, (2, 8))
    head = toys.randomize(CodeHead(32, 6))
    losses = head.loss(preds, target, mask)
    assert set(losses) == {'loss', 'constant_baseline', 'accuracy'}
    expected, right = 0.0, []
    for pred in preds:
        log_share = head.proj(pred).log_softmax(-1)
        for cloud in range(2):
            for row, patch in enumerate(MASKED):
                code = target[cloud, patch]
                expected -= log_share[cloud, row, code] / 6
                right.append(log_share[cloud, row].argmax() == code)
    toys.assert_close(losses['loss'], expected)
    # Of the masked patches' own prediction, not of the shallow branch.
    assert losses['accuracy'].item() == pytest.approx(sum(right[:6]) / 6)


@pytest.mark.parametrize('passes', [1, 2])
def test_baseline_of_codes_is_the_loss_of_the_best_constant(
    passes: int,
) -> None:
    preds, mask = case(passes)
    codes = torch.tensor([3, 3, 5, 3, 0, 5])
    target = torch.full((2, 8), 1)
    target[:, MASKED] = codes.view(2, 3)
    head = CodeHead(32, 6)
    baseline = head.loss(preds, target, mask)['constant_baseline']
    shares = (1 / 2, 1 / 3, 1 / 6)
    entropy = -sum(share * math.log(share) for share in shares)
    assert baseline.item() == pytest.approx(passes * entropy)
    # A head that knows the frequencies and nothing else reaches it.
    torch.nn.init.zeros_(head.proj.weight)
    frequency = F.one_hot(codes, 6).float().mean(0)
    head.proj.bias.data.copy_(frequency.clamp_min(1e-12).log())
    losses = head.loss(preds, target, mask)
    toys.assert_close(losses['loss'], baseline)
    assert losses['accuracy'].item() == pytest.approx(0.5)


def test_codes_are_computed_in_float32_under_autocast() -> None:
    preds, mask = case(1)
    target = torch.randint(6, (2, 8))
    head = toys.randomize(CodeHead(32, 6))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = head.loss(preds, target, mask)
        logits = head(preds)[0]
    assert logits.dtype == torch.bfloat16
    wanted = target[:, MASKED].flatten()
    expected = F.cross_entropy(logits.float().flatten(0, 1), wanted)
    assert losses['loss'].dtype == torch.float32
    assert torch.equal(losses['loss'], expected)
