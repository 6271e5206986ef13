from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmdet3d_act.ops import interpolation as module
from mmdet3d_act.ops import three_interpolate, three_nn
from tests.test_ops import oracles

SOURCE = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [9, 9, 9]]])


def test_three_nn_equals_brute_force() -> None:
    query, source = oracles.lattice(2, 30), oracles.lattice(2, 20, seed=1)
    squared, idx = three_nn(query, source)
    for b in range(2):
        want_idx, want = oracles.nearest(
            source[b].double().numpy(), query[b].double().numpy(), 3
        )
        np.testing.assert_array_equal(idx[b].numpy(), want_idx)
        np.testing.assert_allclose(squared[b].numpy(), want**2, atol=1e-5)


@pytest.mark.parametrize(('euclidean', 'power'), [(False, 1), (True, 0.5)])
def test_interpolation_hand_worked(euclidean: bool, power: float) -> None:
    features = torch.tensor([[[10.0], [20], [30], [999]]])
    query = torch.tensor([[[1.0, 2, 0]]])
    weights = np.array([1, 1 / 4, 1 / 5]) ** power
    want = (weights * [30, 20, 10]).sum() / weights.sum()
    got = three_interpolate(query, SOURCE, features, euclidean=euclidean)
    assert got.item() == pytest.approx(want)


@pytest.mark.parametrize('euclidean', [False, True])
def test_a_query_at_a_source_point_gets_its_features(euclidean: bool) -> None:
    features = torch.rand(1, 4, 5)
    got = three_interpolate(SOURCE, SOURCE, features, euclidean=euclidean)
    torch.testing.assert_close(got, features, atol=1e-6, rtol=0)


def test_one_source_point_is_copied() -> None:
    features = torch.rand(2, 1, 5)
    query = oracles.cloud(2, 7)
    got = three_interpolate(query, query[:, :1], features)
    assert torch.equal(got, features.expand(-1, 7, -1))


def test_two_source_points_share_the_weight() -> None:
    features = torch.tensor([[[0.0], [1.0]]])
    query = torch.tensor([[[0.25, 0, 0]]])
    got = three_interpolate(query, SOURCE[:, :2], features)
    assert got.item() == pytest.approx((1 / 9) / (1 + 1 / 9))
    assert three_nn(query, SOURCE[:, :2])[1].tolist() == [[[0, 1]]]


@pytest.mark.parametrize('euclidean', [False, True])
def test_gradients_are_right(euclidean: bool) -> None:
    inputs = (
        oracles.cloud(2, 5).double().requires_grad_(),
        oracles.cloud(2, 4, seed=1).double().requires_grad_(),
        torch.rand(2, 4, 3, dtype=torch.double, requires_grad=True),
    )
    assert torch.autograd.gradcheck(
        lambda *x: three_interpolate(*x, euclidean=euclidean), inputs
    )


def test_euclidean_gradient_is_finite_at_a_source_point() -> None:
    query = SOURCE.clone().requires_grad_()
    features = torch.rand(1, 4, 5)
    three_interpolate(query, SOURCE, features, euclidean=True).sum().backward()
    assert query.grad.isfinite().all()


def test_half_precision_is_computed_in_float32() -> None:
    query, source = oracles.cloud(2, 30), oracles.cloud(2, 10, seed=1)
    features = torch.rand(2, 10, 3).half()
    want = three_interpolate(query, source, features.float())
    with torch.autocast('cpu', dtype=torch.bfloat16):
        got = three_interpolate(query, source, features)
    assert got.dtype == torch.float32
    assert torch.equal(got, want)


def test_root_is_exact_with_finite_gradient() -> None:
    squared = torch.tensor([0.0, 4, 1e-30], requires_grad=True)
    result = module.root(squared)
    assert torch.equal(result, squared.sqrt())
    result[:2].sum().backward()
    assert squared.grad.tolist() == [0, 0.25, 0]


def test_mmcv_gets_query_and_source_in_this_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    query, source = oracles.cloud(2, 9), oracles.cloud(2, 5, seed=1)
    want = three_nn(query, source)

    def fake_kernel(target, known):
        assert (target.shape[1], known.shape[1]) == (9, 5)
        return None, want[1].int()

    fake = SimpleNamespace(three_nn=fake_kernel)
    monkeypatch.setattr(module, 'mmcv_ops', lambda points: fake)
    squared, idx = three_nn(query, source)
    assert idx.dtype == torch.int64
    assert torch.equal(squared, want[0])
