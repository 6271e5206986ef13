from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from mmdet3d_act.ops import farthest_point_sample, gather_points
from mmdet3d_act.ops import sampling as module
from tests.test_ops import oracles


def on_line(*positions: float) -> torch.Tensor:
    return torch.tensor([[[x, 0.0, 0.0] for x in positions]])


def test_candidates_are_preferred_by_reversed_thread() -> None:
    # Four threads: 0 holds 0 and 4, 1 holds 1 and 5; 2 comes before 1.
    assert module.candidate_order(6, 512).tolist() == [0, 4, 2, 1, 5, 3]
    assert module.candidate_order(1, 512).tolist() == [0]


@pytest.mark.parametrize('limit', [None, 0, 10**6])
@pytest.mark.parametrize('skip_origin', [False, True])
@pytest.mark.parametrize('num_points', [1, 5, 64, 100, 600])
def test_equals_the_kernel_on_exact_ties(
    monkeypatch: pytest.MonkeyPatch,
    num_points: int,
    skip_origin: bool,
    limit: int | None,
) -> None:
    if limit is not None:
        # The plain form, which looks at blocks above the limit.
        monkeypatch.setattr(module, 'is_plain', lambda points: False)
        monkeypatch.setattr(module, 'ONE_STEP', limit)
    points = oracles.lattice(2, num_points, seed=num_points)
    count = min(num_points, 20)
    idx = farthest_point_sample(points, count, skip_origin=skip_origin)
    for row, cloud in zip(idx, points, strict=True):
        want = oracles.kernel_sample(
            cloud.double().numpy(), count, skip_origin=skip_origin
        )
        assert row.tolist() == want


def test_points_near_the_origin_are_skipped_on_request() -> None:
    points = on_line(1, 0.01, 0.02, 1.1)
    assert farthest_point_sample(points, 3).tolist() == [[0, 1, 3]]
    idx = farthest_point_sample(points, 3, skip_origin=True)
    assert idx.tolist() == [[0, 3, 0]]


def test_all_points_near_the_origin_give_index_zero() -> None:
    points = oracles.cloud(2, 30) * 0.01
    idx = farthest_point_sample(points, 5, skip_origin=True)
    assert idx.tolist() == [[0] * 5] * 2
    assert farthest_point_sample(points, 5).unique().numel() > 5


def test_padding_with_copies_changes_no_coordinates() -> None:
    points = oracles.cloud(2, 50)
    padded = torch.cat([points, points[:, :1].expand(-1, 30, -1)], dim=1)
    plain = gather_points(points, farthest_point_sample(points, 20))
    got = gather_points(padded, farthest_point_sample(padded, 20))
    assert torch.equal(got, plain)


def test_clouds_do_not_influence_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = oracles.cloud(5, 40)
    together = farthest_point_sample(points, 10)
    monkeypatch.setattr(module, 'is_plain', lambda points: False)
    monkeypatch.setattr(module, 'block_size', lambda device: 160)
    assert torch.equal(farthest_point_sample(points, 10), together)
    alone = [farthest_point_sample(points[i : i + 1], 10) for i in range(5)]
    assert torch.equal(torch.cat(alone), together)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    points = oracles.cloud(2, 300).to(dtype)
    want = farthest_point_sample(points.float(), 60)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(farthest_point_sample(points, 60), want)


def test_layout_and_gradient_do_not_matter() -> None:
    points = oracles.cloud(2, 60)
    want = farthest_point_sample(points, 12)
    strided = points.transpose(1, 2).contiguous().transpose(1, 2)
    assert torch.equal(farthest_point_sample(strided, 12), want)
    points.requires_grad_()
    assert torch.equal(farthest_point_sample(points, 12), want)


@pytest.mark.parametrize('num_points', [60, 1024, 1500])
def test_mmcv_gets_an_order_in_which_ties_agree(
    monkeypatch: pytest.MonkeyPatch, num_points: int
) -> None:
    def fake_kernel(points: torch.Tensor, count: int) -> torch.Tensor:
        assert points.is_contiguous()
        rows = [
            oracles.kernel_sample(c.double().numpy(), count, max_threads=1024)
            for c in points
        ]
        return torch.tensor(rows, dtype=torch.int32)

    points = oracles.lattice(1, num_points)
    want = farthest_point_sample(points, 12)
    fake = SimpleNamespace(furthest_point_sample=fake_kernel)
    monkeypatch.setattr(module, 'mmcv_ops', lambda points: fake)
    got = farthest_point_sample(points, 12)
    assert got.dtype == torch.int64
    assert torch.equal(got, want)
