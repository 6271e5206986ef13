"""Normalised targets."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.target_generators import TargetNorm
from tests.test_models import toys


def targets() -> torch.Tensor:
    """Correlated targets that hardly vary about a large mean."""
    torch.manual_seed(0)
    mixing = torch.randn(4, 4) + 2 * torch.eye(4)
    return torch.randn(500, 8, 4) @ mixing * 0.05 + torch.arange(4) * 3.0


def fitted(mode: str, **changes: object) -> TargetNorm:
    norm = TargetNorm(mode, num_channels=4, **changes)
    norm.fit(targets().split(64))
    return norm


def covariance(values: torch.Tensor) -> torch.Tensor:
    flat = values.flatten(0, 1).double()
    flat = flat - flat.mean(dim=0)
    return flat.T @ flat / len(flat)


def test_raw_changes_nothing_and_keeps_nothing() -> None:
    norm = TargetNorm()
    assert norm(targets()) is not None
    assert torch.equal(norm(targets()), targets())
    assert norm.state_dict() == {}
    assert not norm.needs_fit


def test_center_keeps_the_covariance() -> None:
    values = targets()
    out = fitted('center')(values)
    toys.assert_close(out, values - values.flatten(0, 1).mean(dim=0), 1e-4)


def test_standardize_divides_every_channel() -> None:
    values = targets()
    flat = values.flatten(0, 1)
    expected = (values - flat.mean(dim=0)) / flat.std(dim=0, correction=0)
    toys.assert_close(fitted('standardize')(values), expected, 1e-3)


def test_whitening_gives_the_identity() -> None:
    before = covariance(targets())
    assert (before - torch.diag(before.diagonal())).abs().max() > 1e-4
    out = fitted('whiten', eps=1e-9)(targets())
    toys.assert_close(covariance(out), torch.eye(4).double(), 1e-3)
    assert out.flatten(0, 1).mean(dim=0).abs().max() < 1e-4


def test_whitening_bounds_the_gain_of_flat_directions() -> None:
    torch.manual_seed(0)
    values = torch.randn(500, 8, 4)
    values[..., 3] *= 1e-6
    norm = TargetNorm('whiten', num_channels=4, eps=1e-2)
    norm.fit([values])
    after = covariance(norm(values))
    assert after.diagonal()[:3].amin() > 0.9
    assert after[3, 3] < 1e-6
    assert norm.transform.isfinite().all()


def test_standardizing_does_not_amplify_a_constant_channel() -> None:
    torch.manual_seed(0)
    values = torch.randn(500, 8, 4)
    # A constant, but for what float32 makes of it.
    values[..., 3] = 7.0 + 1e-6 * torch.randn(500, 8)
    norm = TargetNorm('standardize', num_channels=4)
    norm.fit([values])
    out = norm(values)
    assert out[..., 3].abs().max() < 1e-3
    assert out[..., :3].std(dim=(0, 1)).sub(1).abs().max() < 1e-3


@pytest.mark.parametrize('mode', ['standardize', 'whiten'])
def test_constant_targets_stay_finite(mode: str) -> None:
    norm = TargetNorm(mode, num_channels=4)
    norm.fit([torch.full((3, 8, 4), 2.0)])
    assert norm(torch.full((1, 8, 4), 2.0)).isfinite().all()


def test_statistics_do_not_depend_on_the_batches() -> None:
    whole = TargetNorm('whiten', num_channels=4)
    whole.fit([targets()])
    toys.assert_close(whole.transform, fitted('whiten').transform)
    toys.assert_close(whole.mean, fitted('whiten').mean)


def test_statistics_are_kept_in_the_checkpoint() -> None:
    norm = fitted('whiten')
    assert not norm.needs_fit
    other = TargetNorm('whiten', num_channels=4)
    other.load_state_dict(norm.state_dict())
    assert not other.needs_fit
    assert torch.equal(other(targets()), norm(targets()))


def test_computed_in_float32_under_autocast() -> None:
    norm, values = fitted('whiten'), targets()[:2]
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = norm(values)
    assert torch.equal(out, norm(values))


@pytest.mark.parametrize('mode', ['raw', 'center', 'standardize', 'whiten'])
def test_inverse_gives_the_targets_back(mode: str) -> None:
    norm = TargetNorm('raw') if mode == 'raw' else fitted(mode)
    toys.assert_close(norm.inverse(norm(targets())), targets(), 1e-3)


@pytest.mark.parametrize(
    ('use', 'offender'),
    [
        (lambda: TargetNorm('sphere'), 'sphere'),
        (lambda: TargetNorm('whiten'), 'num_channels'),
        (lambda: TargetNorm('whiten', 4).fit([]), 'got 0'),
        (lambda: TargetNorm('whiten', 4)(targets()), 'PrepareTargetsHook'),
        (lambda: TargetNorm('whiten', 4).inverse(targets()), 'whiten'),
        (lambda: TargetNorm('whiten', 8)(torch.ones(2, 8).long()), 'int64'),
        (lambda: TargetNorm('center', 8).fit([torch.ones(2).long()]), 'int64'),
    ],
)
def test_refusals(use, offender: str) -> None:
    with pytest.raises(ValueError, match=offender):
        use()
