"""Time the point operations against the obvious PyTorch versions.

Every row runs both in turn on the same input, so what else the machine does
falls on both alike, and the ratio of the medians is what counts. The plain
versions are what code without compiled kernels usually does: a loop over full
tensors for farthest points, whole distance matrices from a matrix product for
neighbours, ``torch.cdist`` for the Chamfer distance.

Usage: python benchmarks/bench_ops.py [--device cuda] [--repeats 7] [--memory]
"""

from __future__ import annotations

import argparse
import platform
import resource
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from mmdet3d_act import ops


def plain_sample(points: Tensor, num_samples: int) -> Tensor:
    """Farthest points: each step makes whole tensors anew."""
    batch, num_points, _ = points.shape
    rows = torch.arange(batch, device=points.device)
    running = points.new_full((batch, num_points), 1e10)
    last = torch.zeros_like(rows)
    chosen = []
    for _ in range(num_samples):
        chosen.append(last)
        center = points[rows, last][:, None]
        distance = ((points - center) ** 2).sum(-1)
        running = torch.minimum(running, distance)
        last = running.argmax(-1)
    return torch.stack(chosen, dim=1)


def product_distances(first: Tensor, second: Tensor) -> Tensor:
    """Squared distances as |a|^2 - 2 a b + |b|^2, whole matrices."""
    squared = -2 * first @ second.transpose(1, 2)
    squared += (first**2).sum(-1)[:, :, None]
    squared += (second**2).sum(-1)[:, None]
    return squared


def sorted_neighbors(points: Tensor, queries: Tensor, k: int) -> Tensor:
    """Neighbours by sorting the whole matrix."""
    return product_distances(queries, points).sort(dim=-1).indices[..., :k]


def top_neighbors(points: Tensor, queries: Tensor, k: int) -> Tensor:
    """Neighbours by ``topk`` of the whole matrix."""
    return product_distances(queries, points).topk(k, largest=False).indices


def plain_ball(
    points: Tensor, queries: Tensor, radius: float, count: int
) -> Tensor:
    """Ball query by sorting the indices of the hits."""
    num_points = points.shape[1]
    outside = product_distances(queries, points) >= radius**2
    idx = torch.arange(num_points, device=points.device).expand(outside.shape)
    idx = idx.masked_fill(outside, num_points).sort(dim=-1).values
    idx = idx[..., :count]
    return torch.where(idx == num_points, idx[..., :1], idx)


def plain_interpolate(
    query: Tensor, source: Tensor, features: Tensor
) -> Tensor:
    """Interpolation by sorting, with all neighbours' features in memory."""
    squared, idx = product_distances(query, source).sort(dim=-1)
    weights = 1 / (squared[..., :3] + 1e-8)
    weights = weights / weights.sum(-1, keepdim=True)
    rows = torch.arange(len(query), device=query.device)[:, None, None]
    return (features[rows, idx[..., :3]] * weights[..., None]).sum(2)


def cdist_chamfer(a: Tensor, b: Tensor) -> Tensor:
    """Chamfer distance by ``torch.cdist`` and its own gradient."""
    distances = torch.cdist(a, b)
    return (distances.amin(2).mean() + distances.amin(1).mean()) / 2


def broadcast_chamfer(a: Tensor, b: Tensor) -> Tensor:
    """Chamfer distance by differences of all pairs."""
    squared = ((a[:, :, None] - b[:, None]) ** 2).sum(-1)
    there, back = squared.min(2).values, squared.min(1).values
    return (there.sqrt().mean() + back.sqrt().mean()) / 2


def with_gradient(function: Callable, *tensors: Tensor) -> Callable:
    """Return a call that runs a function forward and backward."""

    def call() -> None:
        leaves = [tensor.detach().requires_grad_() for tensor in tensors]
        function(*leaves).sum().backward()

    return call


def cases(device: torch.device) -> list[tuple[str, str, Callable, Callable]]:
    """Return rows: operation and size, plain version's name, ours, plain."""
    torch.manual_seed(0)

    def cloud(*shape: int) -> Tensor:
        return torch.rand(*shape, 3, device=device)

    objects, scenes = cloud(128, 1024), cloud(8, 40_000)
    centers = objects[:, :64].contiguous()
    few = scenes[:1, :1024].contiguous()
    big = cloud(2, 8192)
    patches, fine, coarse = cloud(4096, 32), cloud(4096, 32), cloud(4096, 8)
    sources = objects[:16, :128].contiguous()
    features = torch.rand(16, 128, 384, device=device)
    sampling, neighbors = ops.farthest_point_sample, ops.knn

    def ball(function: Callable) -> Callable:
        return lambda: function(scenes[:1], few, 0.1, 32)

    def scene(function: Callable) -> Callable:
        return lambda: function(scenes[:1], few, 32)

    def patch(function: Callable) -> Callable:
        return lambda: function(objects, centers, 32)

    def interpolate(function: Callable) -> Callable:
        return with_gradient(
            lambda x: function(objects[:16], sources, x), features
        )

    chamfer = ops.chamfer_distance
    rows = [
        *(
            (f'farthest points, {size}', 'loop', count, points)
            for size, points, count in (
                ('1 x 1024 to 64', objects[:1], 64),
                ('128 x 1024 to 64', objects, 64),
                ('8 x 40000 to 256', scenes, 256),
            )
        ),
    ]
    table = [
        (
            name,
            kind,
            lambda p=points, n=count: sampling(p, n),
            lambda p=points, n=count: plain_sample(p, n),
        )
        for name, kind, count, points in rows
    ]
    for kind, plain in (('sort', sorted_neighbors), ('topk', top_neighbors)):
        table += [
            (
                'kNN, 128 x 64 of 1024, k 32',
                kind,
                patch(neighbors),
                patch(plain),
            ),
            ('kNN, 1024 of 40000, k 32', kind, scene(neighbors), scene(plain)),
        ]
    table += [
        (
            'ball query, 1024 of 40000',
            'sort',
            ball(ops.ball_query),
            ball(plain_ball),
        ),
        (
            'interpolation + gradient, 16 x 1024 of 128',
            'sort',
            interpolate(ops.three_interpolate),
            interpolate(plain_interpolate),
        ),
    ]
    for kind, plain in (
        ('cdist', cdist_chamfer),
        ('differences', broadcast_chamfer),
    ):
        for size, first, second in (
            ('4096 x 32 and 32', fine, patches),
            ('4096 x 8 and 32', coarse, patches),
            ('1 x 8192 and 8192', big[:1], big[1:]),
        ):
            if kind == 'differences' and first is not fine:
                continue
            table.append(
                (
                    f'Chamfer L1 + gradient, {size}',
                    kind,
                    with_gradient(chamfer, first, second),
                    with_gradient(plain, first, second),
                )
            )
    return table


def milliseconds(call: Callable, device: torch.device) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    call()
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
    return (time.perf_counter() - start) * 1e3


def compare(
    ours: Callable, plain: Callable, repeats: int, device: torch.device
) -> tuple[float, float]:
    """Return the median times of two calls that take turns."""
    times = []
    for _ in range(repeats + 1):
        times.append((milliseconds(ours, device), milliseconds(plain, device)))
    first, second = zip(*times[1:], strict=True)
    return statistics.median(first), statistics.median(second)


def peak_memory(device: torch.device) -> str:
    """Run the kNN of a whole batch of scenes; say what it needed."""
    points = torch.rand(8, 40_000, 3, device=device)
    queries = points[:, :2048].contiguous()
    ops.knn(points[:1], queries[:1, :8].contiguous(), 32)
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = milliseconds(lambda: ops.knn(points, queries, 32), device) / 1e3
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    used = f'{(after - before) / 1024:.0f} MB more resident memory'
    if device.type == 'cuda':
        peak = torch.cuda.max_memory_allocated(device) / 2**20
        used = f'{peak:.0f} MB of device memory at the peak'
    return f'kNN, 8 x 2048 of 40000, k 32: {seconds:.1f} s, {used}'


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--device', default='cpu', type=torch.device)
    parser.add_argument('--repeats', default=7, type=int)
    parser.add_argument(
        '--memory', action='store_true', help='kNN of a batch of scenes only'
    )
    args = parser.parse_args()
    print(
        f'torch {torch.__version__}, Python {platform.python_version()}, '
        f'{args.device}, {torch.get_num_threads()} threads, '
        f'median of {args.repeats}\n'
    )
    if args.memory:
        print(peak_memory(args.device))
        return
    print('| operation | ours (ms) | plain | plain (ms) | plain / ours |')
    print('|---|---|---|---|---|')
    for name, kind, ours, plain in cases(args.device):
        first, second = compare(ours, plain, args.repeats, args.device)
        print(
            f'| {name} | {first:.1f} | {kind} | {second:.1f} | '
            f'{second / first:.1f} |',
            flush=True,
        )


if __name__ == '__main__':
    main()
