"""Triton's kernels give what the plain forms in PyTorch give.

On a GPU as they are; elsewhere in Triton's interpreter, in a process of its
own, since Triton has to know at its import that it interprets.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from mmdet3d_act.ops import _backends, ball_query, knn, neighbors, sampling
from tests.test_ops import oracles

triton = pytest.importorskip('triton')
from mmdet3d_act.ops import _triton  # noqa: E402

INTERPRETED = os.environ.get('TRITON_INTERPRET') == '1'
DEVICE = 'cpu' if INTERPRETED else 'cuda'
MAKERS = [oracles.cloud, oracles.lattice]


def kernel(test):
    return test if INTERPRETED else pytest.mark.gpu(test)


@pytest.mark.skipif(INTERPRETED, reason='is the interpreter')
def test_in_the_interpreter() -> None:
    environment = {**os.environ, 'TRITON_INTERPRET': '1'}
    command = [sys.executable, '-m', 'pytest', '-x', '-q', __file__]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]


@kernel
@pytest.mark.parametrize('make', MAKERS)
@pytest.mark.parametrize(('num_points', 'k'), [(1, 1), (7, 5), (300, 33)])
def test_nearest(make, num_points: int, k: int) -> None:
    points, queries = make(2, num_points), make(2, 3, seed=1)
    want = neighbors._knn_torch(points, queries, k)
    got = _triton.nearest(points.to(DEVICE), queries.to(DEVICE), k)
    assert torch.equal(got[0].cpu(), want[0])
    assert torch.equal(got[1].cpu(), want[1])


@kernel
@pytest.mark.parametrize('make', MAKERS)
@pytest.mark.parametrize(
    ('num_points', 'num_samples'), [(1, 2), (7, 3), (300, 5), (300, 130)]
)
def test_in_balls(make, num_points: int, num_samples: int) -> None:
    """On a lattice points are at the radius; some balls are empty."""
    points, queries = make(2, num_points), make(2, 4, seed=1) * 1.25
    queries[:, -1] = 9
    want = ball_query(points, queries, 1.25, num_samples)
    got = _triton.in_balls(
        points.to(DEVICE), queries.to(DEVICE), 1.5625, num_samples
    )
    assert torch.equal(got.cpu(), want)


@kernel
@pytest.mark.parametrize('make', MAKERS)
@pytest.mark.parametrize('num_points', [1, 7, 150])
@pytest.mark.parametrize('skip_origin', [False, True])
@pytest.mark.parametrize('in_registers', [8192, 0])
def test_farthest_points(
    make,
    num_points: int,
    skip_origin: bool,
    in_registers: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_triton, 'IN_REGISTERS', in_registers)
    monkeypatch.setattr(_triton, 'SCENE_TILE', 64)
    points, count = make(2, num_points), min(num_points, 8)
    want = sampling._sample_block(points, count, skip_origin)
    first = sampling._first_distances(points, skip_origin)
    got = _triton.farthest_points(points.to(DEVICE), first.to(DEVICE), count)
    assert torch.equal(got.cpu(), want)


@pytest.mark.skipif(not INTERPRETED, reason='pretends a GPU')
def test_operations_call_them(monkeypatch: pytest.MonkeyPatch) -> None:
    points = oracles.cloud(2, 50)
    for module in (neighbors, sampling):
        monkeypatch.setattr(module, 'triton_ops', lambda points: _triton)
    got = knn(points, points[:, :3], 4)
    balls = ball_query(points, points[:, :3], 0.7, 4)
    chosen = sampling.farthest_point_sample(points, 6)
    monkeypatch.undo()
    assert torch.equal(got, knn(points, points[:, :3], 4))
    assert torch.equal(balls, ball_query(points, points[:, :3], 0.7, 4))
    assert torch.equal(chosen, sampling.farthest_point_sample(points, 6))
    assert _backends.triton_ops(points) is None


SIZES = dict(num_points='i32', num_queries='i32')
FARTHEST = dict(
    axes='*fp32',
    running='*fp32',
    chosen='*i64',
    num_points='i32',
    num_samples='i32',
)
SEARCH = dict(axes='*fp32', queries='*fp32', idx='*i64')


@pytest.mark.skipif(INTERPRETED, reason='compiles')
@pytest.mark.parametrize(
    ('name', 'signature', 'constants', 'num_warps'),
    [
        ('_farthest_in_registers', FARTHEST, dict(TILE=1024), 4),
        ('_farthest_in_memory', FARTHEST, dict(TILE=4096), 16),
        (
            '_nearest',
            {**SEARCH, 'distances': '*fp32', **SIZES, 'k': 'i32'},
            dict(KEPT=32, TILE=128),
            1,
        ),
        (
            '_in_balls',
            {**SEARCH, 'limit': 'fp32', **SIZES, 'num_samples': 'i32'},
            dict(TILE=128),
            1,
        ),
    ],
)
def test_compiles_without_a_gpu(
    name: str,
    signature: dict,
    constants: dict,
    num_warps: int,
    tmp_path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And rounds products before it adds them."""
    monkeypatch.setenv('TRITON_CACHE_DIR', str(tmp_path))
    kernel = getattr(_triton, name)
    source = triton.compiler.ASTSource(
        kernel,
        {**signature, **dict.fromkeys(constants, 'constexpr')},
        {(kernel.arg_names.index(key),): x for key, x in constants.items()},
    )
    compiled = triton.compile(
        source,
        target=triton.backends.compiler.GPUTarget('cuda', 80, 32),
        options=dict(num_warps=num_warps, enable_fp_fusion=False),
    )
    assert 'fma.rn.f32' not in compiled.asm['ptx']
    assert compiled.asm['cubin']
