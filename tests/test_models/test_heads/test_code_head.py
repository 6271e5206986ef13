"""The head that predicts codes."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from mmdet3d_act.models.heads import CodeHead
from tests.test_models import toys

MASKED = [1, 4, 6]


def case(passes: int) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    preds = [torch.randn(2, 3, 32) for _ in range(passes)]
    return preds, torch.randint(6, (2, 8)), toys.fixed_mask()


@pytest.mark.parametrize('passes', [1, 2])
def test_loss_of_the_masked_patches(passes: int) -> None:
    preds, target, mask = case(passes)
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
def test_baseline_is_the_loss_of_the_best_constant(passes: int) -> None:
    preds, _, mask = case(passes)
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


def test_computed_in_float32_under_autocast() -> None:
    preds, target, mask = case(1)
    head = toys.randomize(CodeHead(32, 6))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = head.loss(preds, target, mask)
        logits = head(preds)[0]
    assert logits.dtype == torch.bfloat16
    wanted = target[:, MASKED].flatten()
    expected = F.cross_entropy(logits.float().flatten(0, 1), wanted)
    assert losses['loss'].dtype == torch.float32
    assert torch.equal(losses['loss'], expected)
