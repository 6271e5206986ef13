"""On a GPU the operations give what they give on a CPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mmdet3d_act import ops
from tests.test_ops import oracles

pytestmark = pytest.mark.gpu
CLOUDS = oracles.cloud(3, 2000), oracles.cloud(3, 60, seed=1)
BOXES = torch.rand(30, 1, 6), torch.rand(40, 6)
CASES: dict[str, tuple[Callable, tuple[Tensor, ...]]] = {
    **{
        f'farthest points of {len(points[0])}': (
            lambda points, skip=skip: ops.farthest_point_sample(
                points, 64, skip_origin=skip
            ),
            (points,),
        )
        for skip in (False, True)
        for points in (oracles.cloud(3, 3000), oracles.lattice(3, 1024))
    },
    **{
        f'{k} nearest': (lambda a, b, k=k: ops.knn(a, b, k), CLOUDS)
        for k in (1, 32, 120)
    },
    'ball': (lambda a, b: ops.ball_query(a, b, 0.25, 32), CLOUDS),
    'groups': (lambda a: ops.group_points(a, 64, 32), CLOUDS[:1]),
    'three nearest': (ops.three_nn, CLOUDS),
    'interpolation': (ops.three_interpolate, (*CLOUDS, CLOUDS[1])),
    'many small pairs': (
        ops.nearest_distances,
        (oracles.cloud(4096, 32), oracles.cloud(4096, 8, seed=1)),
    ),
    'chamfer': (ops.chamfer_distance, CLOUDS),
    'boxes': (ops.giou3d, BOXES),
}


@pytest.mark.parametrize('name', CASES)
def test_equals_the_cpu(name: str) -> None:
    call, inputs = CASES[name]
    device = torch.device('cuda', torch.cuda.device_count() - 1)
    want, got = call(*inputs), call(*(x.to(device) for x in inputs))
    if isinstance(want, Tensor):
        want, got = (want,), (got,)
    for own, expected in zip(got, want, strict=True):
        assert own.device == device
        torch.testing.assert_close(own.cpu(), expected)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_memory_of_a_scene_is_bounded(dtype: torch.dtype) -> None:
    points = oracles.cloud(8, 40_000).to('cuda', dtype)
    torch.cuda.reset_peak_memory_stats()
    ops.knn(points, points[:, :2048].contiguous(), 32)
    assert torch.cuda.max_memory_allocated() < 3e9
