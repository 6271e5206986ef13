"""NT-Xent and Barlow Twins: formulas, gradients, invariances, the edges."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mmdet3d_act.models.losses import (
    BarlowTwinsFeatureLoss,
    NTXentFeatureLoss,
)
from mmdet3d_act.registry import MODELS
from tests.test_models import toys
from tests.test_models.test_losses.test_feature_loss import best_loss

LOSSES = [NTXentFeatureLoss, BarlowTwinsFeatureLoss]
SCOPES = ['batch', 'cloud']
every_loss = pytest.mark.parametrize('kind', LOSSES)
every_scope = pytest.mark.parametrize('scope', SCOPES)


def draw(seed: int, shape: tuple[int, ...] = (2, 5, 4)) -> torch.Tensor:
    return torch.randn(shape, generator=toys.seeded(seed)) + 0.5


def related(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return predictions and targets that have something in common."""
    target = draw(seed)
    return target + 0.5 * draw(seed + 1), target


def looped_nt_xent(
    pred: np.ndarray, target: np.ndarray, temperature: float
) -> float:
    """The loss of one set, (P, C), one anchor and candidate at a time."""
    features = [*pred, *target]
    count, losses = len(pred), []
    for i, anchor in enumerate(features):
        partner = (i + count) % (2 * count)
        scores = {
            j: anchor @ other / math.sqrt((anchor @ anchor) * (other @ other))
            for j, other in enumerate(features)
            if j != i
        }
        total = sum(math.exp(s / temperature) for s in scores.values())
        share = math.exp(scores[partner] / temperature) / total
        losses.append(-math.log(share))
    return sum(losses) / len(losses)


def looped_barlow_twins(
    pred: np.ndarray, target: np.ndarray, weight: float
) -> float:
    """The loss of one set, (P, C), one pair of channels at a time."""
    count, channels = pred.shape
    total = 0.0
    for i in range(channels):
        for j in range(channels):
            a = pred[:, i] - sum(pred[:, i]) / count
            b = target[:, j] - sum(target[:, j]) / count
            spread = math.sqrt(sum(a * a) / (count - 1))
            spread *= math.sqrt(sum(b * b) / (count - 1))
            c = sum(a * b) / count / spread
            total += (1 - c) ** 2 if i == j else weight * c**2
    return total


def looped(loss: nn.Module, pred: torch.Tensor, target: torch.Tensor) -> float:
    """The loss of a batch as its scope has it, in double precision."""
    pairs = [
        (x.double().numpy(), y.double().numpy())
        for x, y in zip(pred, target, strict=True)
    ]
    if loss.scope == 'batch':
        pairs = [
            tuple(np.concatenate(part) for part in zip(*pairs, strict=True))
        ]
    if isinstance(loss, NTXentFeatureLoss):
        values = [looped_nt_xent(*pair, loss.temperature) for pair in pairs]
    else:
        values = [
            looped_barlow_twins(*pair, loss.redundancy_weight)
            for pair in pairs
        ]
    return loss.loss_weight * sum(values) / len(values)


@pytest.mark.parametrize(
    ('kind', 'options'),
    [
        (NTXentFeatureLoss, {}),
        (NTXentFeatureLoss, dict(temperature=0.5, loss_weight=3.0)),
        (BarlowTwinsFeatureLoss, {}),
        (BarlowTwinsFeatureLoss, dict(redundancy_weight=0.7)),
    ],
)
@every_scope
def test_the_formula_one_pair_at_a_time(
    kind: type[nn.Module], options: dict, scope: str
) -> None:
    loss = MODELS.build(dict(type=kind.__name__, scope=scope, **options))
    assert type(loss) is kind
    for pred, target in (related(), (draw(7), draw(8)), (draw(9), draw(9))):
        value = loss(pred, target).item()
        assert value == pytest.approx(looped(loss, pred, target), rel=1e-5)


@every_scope
@every_loss
def test_gradient_reaches_the_prediction_only(
    kind: type[nn.Module], scope: str
) -> None:
    loss = kind(scope=scope)
    pred, target = related()
    loss(pred.requires_grad_(), target).backward()
    assert (pred.grad != 0).all()
    assert not loss.constant_baseline(target.requires_grad_()).requires_grad


@every_scope
@every_loss
def test_features_that_do_not_vary(kind: type[nn.Module], scope: str) -> None:
    same = draw(0)[:1, :1].expand(2, 5, 4)
    zero = torch.zeros(2, 5, 4)
    loss = kind(scope=scope)
    for pred in (same, zero, draw(1)):
        for target in (same, zero, draw(2)):
            moved = pred.clone().requires_grad_()
            value = loss(moved, target)
            value.backward()
            assert value.isfinite()
            assert moved.grad.isfinite().all()
            assert loss.constant_baseline(target).isfinite()


@every_scope
def test_baseline_of_nt_xent_is_nearly_the_best_constants(
    scope: str,
) -> None:
    target = draw(3, (2, 40, 16))
    loss = NTXentFeatureLoss(2.0, temperature=0.3, scope=scope)
    best = best_loss(loss, target.mean((0, 1), keepdim=True), target)
    baseline = loss.constant_baseline(target).item()
    assert best <= baseline * (1 + 1e-6)
    assert baseline == pytest.approx(best, rel=0.01)
    # What the docstring says of features that are all alike.
    others = 2 * (80 if scope == 'batch' else 40) - 1
    assert baseline > 2 * math.log(others)


@every_scope
def test_baseline_of_barlow_twins_is_the_number_of_channels(
    scope: str,
) -> None:
    loss = BarlowTwinsFeatureLoss(0.5, scope=scope)
    assert loss.constant_baseline(draw(3)).item() == pytest.approx(2.0)
    assert loss(*related()).item() < 2.0


@every_loss
def test_one_patch_has_nothing_to_compare_with(
    kind: type[nn.Module],
) -> None:
    one, pair = draw(0)[:1, :1], draw(0)[:, :1]
    with pytest.raises(ValueError, match=r'at least 2 .* in a batch, got 1'):
        kind()(one, one)
    assert kind()(pair, pair).isfinite()
    with pytest.raises(ValueError, match=r'at least 2 .* in a cloud, got 1'):
        kind(scope='cloud')(pair, pair)


@every_loss
def test_gathering_in_one_process_changes_nothing(kind: type) -> None:
    assert torch.equal(kind(gather=True)(*related()), kind()(*related()))


def _rank_results(rank: int, folder: str) -> None:
    torch.distributed.init_process_group(
        'gloo', f'file://{folder}/store', rank=rank, world_size=2
    )
    results = {}
    for kind in LOSSES:
        pred, target = (x[rank : rank + 1].clone() for x in related())
        pred.requires_grad_()
        loss = kind(gather=True)
        value = loss(pred, target)
        value.backward()
        baseline = loss.constant_baseline(target)
        alone = kind()(pred, target)
        results[kind.__name__] = tuple(
            x.detach() for x in (value, baseline, alone, pred.grad)
        )
    torch.save(results, f'{folder}/rank{rank}.pth')
    torch.distributed.destroy_process_group()


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(_rank_results, args=(str(tmp_path),), nprocs=2)
    ranks = [torch.load(tmp_path / f'rank{rank}.pth') for rank in (0, 1)]
    for kind in LOSSES:
        pred, target = related()
        whole = kind()(pred.requires_grad_(), target)
        whole.backward()
        parts = [rank[kind.__name__] for rank in ranks]
        # The mean over the processes, as DistributedDataParallel takes it.
        value, baseline = ((parts[0][i] + parts[1][i]) / 2 for i in range(2))
        toys.assert_close(value, whole.detach())
        toys.assert_close(baseline, kind().constant_baseline(target))
        gradient = torch.cat([part[3] for part in parts]) / 2
        toys.assert_close(gradient, pred.grad)
        # Without gathering, processes know nothing of each other.
        for i, part in enumerate(parts):
            own = kind()(pred[i : i + 1], target[i : i + 1])
            toys.assert_close(part[2], own.detach())
