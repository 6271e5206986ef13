from __future__ import annotations

import pytest
import torch

from mmdet3d_act.ops import (
    _backends,
    chamfer_distance,
    f_score,
    nearest_distances,
)
from tests.test_ops import oracles


@pytest.mark.parametrize('norm', ['l1', 'l2'])
@pytest.mark.parametrize('make', [oracles.cloud, oracles.lattice])
def test_chamfer_equals_brute_force(make, norm: str) -> None:
    a, b = make(3, 20), make(3, 30, seed=1)
    each = chamfer_distance(a, b, norm, 'none')
    want = [
        oracles.chamfer(x, y, norm)
        for x, y in zip(a.tolist(), b.tolist(), strict=True)
    ]
    torch.testing.assert_close(each, torch.tensor(want).float())
    torch.testing.assert_close(chamfer_distance(a, b, norm), each.mean())


@pytest.mark.parametrize('limit', [1, 90, 700, 1300])
@pytest.mark.parametrize('make', [oracles.cloud, oracles.lattice])
def test_blocks_do_not_change_results(
    monkeypatch: pytest.MonkeyPatch, make, limit: int
) -> None:
    a, b = make(3, 20), make(3, 30, seed=1)
    whole = nearest_distances(a, b)
    monkeypatch.setattr(_backends, 'block_size', lambda device: limit)
    assert all(map(torch.equal, nearest_distances(a, b), whole))


@pytest.mark.parametrize('norm', ['l1', 'l2'])
def test_gradients_are_right(norm: str) -> None:
    a = oracles.cloud(2, 5).double().requires_grad_()
    b = oracles.cloud(2, 7, seed=1).double().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a, b: chamfer_distance(a, b, norm), (a, b)
    )


def test_l1_gradient_is_finite_where_points_coincide() -> None:
    a = oracles.cloud(1, 8)
    b = torch.cat([a[:, :3], oracles.cloud(1, 4, seed=1)], dim=1)
    a.requires_grad_()
    b.requires_grad_()
    chamfer_distance(a, b, 'l1').backward()
    assert a.grad.isfinite().all()
    assert b.grad.isfinite().all()
    # The others' gradient has length 1/2 over the number of points.
    lone = nearest_distances(a, b).dist_ab[0] > 0
    pulled = nearest_distances(a, b).idx_ba[0, 3:]
    alone = lone.clone()
    alone[pulled] = False
    assert alone.any()
    torch.testing.assert_close(
        a.grad[0, alone].norm(dim=-1), torch.full((int(alone.sum()),), 1 / 16)
    )


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    a, b = oracles.cloud(2, 40).to(dtype), oracles.cloud(2, 30, 1).to(dtype)
    want = chamfer_distance(a.float(), b.float())
    with torch.autocast('cpu', dtype=torch.bfloat16):
        got = chamfer_distance(a, b)
    assert got.dtype == torch.float32
    assert torch.equal(got, want)


def test_values_are_exact_far_from_the_origin() -> None:
    """Where |a|^2 - 2ab + |b|^2 has no correct digit left."""
    a = oracles.lattice(1, 30) / 64
    b = oracles.lattice(1, 30, seed=1) / 64
    assert torch.equal(
        chamfer_distance(a + 4096, b + 4096), chamfer_distance(a, b)
    )


def test_points_with_zero_sum_are_left_out_on_request() -> None:
    a, b = oracles.cloud(2, 9), oracles.cloud(2, 8, seed=1)
    padded = torch.cat([a, torch.zeros(2, 4, 3)], dim=1)
    padded[1, -1] = torch.tensor([0.5, -0.25, -0.25])
    want = chamfer_distance(a, b, 'l2', 'none')
    got = chamfer_distance(padded, b, 'l2', 'none', ignore_zeros=True)
    torch.testing.assert_close(got, want)
    assert (chamfer_distance(padded, b, 'l2', 'none') != want).all()


def test_f_score_hand_worked() -> None:
    target = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]]])
    pred = torch.tensor([[[0.005, 0, 0], [1, 0.5, 0]]])
    # Precision 1/2, recall 1/4.
    assert f_score(pred, target).item() == pytest.approx(1 / 3)
    # At 0.6 both predicted points count, and two of the targets.
    assert f_score(pred, target, 0.6).item() == pytest.approx(2 / 3)
    assert f_score(target, target).item() == 1


def test_f_score_is_zero_without_a_hit_and_counts_strictly() -> None:
    clouds = torch.tensor([[[0.0, 0, 0]], [[0.0, 0, 0]]])
    other = torch.tensor([[[5.0, 0, 0]], [[0.5, 0, 0]]])
    assert f_score(clouds, other, 0.5).tolist() == [0, 0]
    assert f_score(clouds, other, 0.51).tolist() == [0, 1]
