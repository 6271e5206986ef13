from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmdet3d_act.ops import _backends, ball_query, knn
from mmdet3d_act.ops import neighbors as module
from tests.test_ops import oracles


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('make', [oracles.cloud, oracles.lattice])
@pytest.mark.parametrize('k', [1, 7, 60])
def test_knn_equals_brute_force(make, dtype: torch.dtype, k: int) -> None:
    points = make(2, 60).to(dtype)
    queries = torch.cat([points[:, :9], make(2, 6, seed=1).to(dtype)], dim=1)
    idx, distances = knn(points, queries, k, return_distances=True)
    for b in range(2):
        want_idx, want = oracles.nearest(
            points[b].double().numpy(), queries[b].double().numpy(), k
        )
        np.testing.assert_array_equal(idx[b].numpy(), want_idx)
        np.testing.assert_allclose(distances[b].numpy(), want, atol=1e-6)


def test_knn_is_exact_far_from_the_origin() -> None:
    """Where |a|^2 - 2ab + |b|^2 has no correct digit left."""
    points = oracles.lattice(1, 50) / 64 + 4096
    idx = knn(points, points, 5)
    want, _ = oracles.nearest(
        points[0].double().numpy(), points[0].double().numpy(), 5
    )
    np.testing.assert_array_equal(idx[0].numpy(), want)


@pytest.mark.parametrize('limit', [1, 100, 400])
def test_blocks_do_not_change_results(
    monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    points, queries = oracles.cloud(3, 50), oracles.cloud(3, 7, seed=1)
    nearest = knn(points, queries, 4)
    inside = ball_query(points, queries, 0.7, 6)
    sizes = []

    def recording(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        result = _backends.squared_distances(first, second)
        sizes.append(result.numel())
        return result

    monkeypatch.setattr(module, 'is_plain', lambda points: False)
    monkeypatch.setattr(_backends, 'block_size', lambda device: limit)
    monkeypatch.setattr(module, 'squared_distances', recording)
    assert torch.equal(knn(points, queries, 4), nearest)
    assert torch.equal(ball_query(points, queries, 0.7, 6), inside)
    assert max(sizes) <= max(limit, 50)
    assert sum(sizes) == 2 * 3 * 7 * 50


@pytest.mark.parametrize('kind', ['cpu', 'cuda'])
def test_blocks_of_a_scene_stay_below_3_gigabytes(kind: str) -> None:
    """40 000 points, 2048 centres, batch 8; indices alone would be 5 GB.

    A block needs two float32 arrays for the distances and, while it looks
    for the k smallest, an int64 array of its size for exact ties and another
    of that size inside ``topk``.
    """
    device = torch.device(kind)
    parts = list(_backends.blocks(8, 2048, 40_000, device))
    sizes = [
        (b.stop - b.start) * (r.stop - r.start) * 40_000 for b, r in parts
    ]
    assert sum(sizes) == 8 * 2048 * 40_000
    assert max(sizes) * (4 + 4 + 8 + 8) < 1e9


def test_knn_has_no_gradient() -> None:
    points = oracles.cloud(1, 9).requires_grad_()
    _, distances = knn(points, points, 3, return_distances=True)
    assert not distances.requires_grad


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    points = oracles.cloud(2, 200).to(dtype)
    queries = points[:, :20]
    nearest = knn(points.float(), queries.float(), 8)
    inside = ball_query(points.float(), queries.float(), 0.4, 8)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(knn(points, queries, 8), nearest)
        assert torch.equal(ball_query(points, queries, 0.4, 8), inside)


def test_mmcv_results_are_put_in_our_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = oracles.lattice(2, 40)
    queries = oracles.lattice(2, 6, seed=1)
    want, want_distances = knn(points, queries, 40, return_distances=True)

    def fake_kernel(
        k: int, points: torch.Tensor, queries: torch.Tensor
    ) -> torch.Tensor:
        assert points.is_contiguous()
        assert queries.is_contiguous()
        return knn_of_torch(points, queries, k).flip(1)

    def knn_of_torch(
        points: torch.Tensor, queries: torch.Tensor, k: int
    ) -> torch.Tensor:
        idx, _ = module._knn_torch(points, queries, k)
        return idx.transpose(1, 2).int()

    fake = SimpleNamespace(knn=fake_kernel)
    monkeypatch.setattr(module, 'mmcv_ops', lambda points: fake)
    idx, distances = knn(points, queries, 40, return_distances=True)
    assert idx.dtype == torch.int64
    assert torch.equal(idx, want)
    assert torch.equal(distances, want_distances)


def test_mmcv_is_not_asked_what_it_cannot_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = oracles.cloud(1, 120)
    want = knn(points, points, 100)
    fake = SimpleNamespace(knn=lambda *args: pytest.fail('kernel was called'))
    monkeypatch.setattr(module, 'mmcv_ops', lambda points: fake)
    assert torch.equal(knn(points, points, 100), want)
    with pytest.raises(ValueError, match='centre the clouds'):
        knn(points * 1e6, points * 1e6, 5)


def test_ball_query_hand_worked() -> None:
    points = torch.tensor([[[2.0, 0, 0], [0.5, 0, 0], [1, 0, 0], [0, 0, 0]]])
    queries = torch.tensor([[[0.0, 0, 0], [9, 9, 9], [2, 0, 0]]])
    idx = ball_query(points, queries, 1.0, 3)
    # The point at distance 1 is outside; the second ball is empty.
    assert idx.tolist() == [[[1, 3, 1], [0, 0, 0], [0, 0, 0]]]
    assert idx.dtype == torch.int64


@pytest.mark.parametrize('count', [1, 5, 90])
@pytest.mark.parametrize('make', [oracles.cloud, oracles.lattice])
def test_ball_query_equals_brute_force(make, count: int) -> None:
    points, queries = make(2, 70), make(2, 9, seed=1) * 1.25
    idx = ball_query(points, queries, 0.75, count)
    for b in range(2):
        want = oracles.in_ball(
            points[b].double().numpy(),
            queries[b].double().numpy(),
            0.75,
            count,
        )
        np.testing.assert_array_equal(idx[b].numpy(), want)
