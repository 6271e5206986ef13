"""Time the point operations against other libraries on the CPU.

    pip install --target peers --no-deps torch-quickfps fpsample pykdtree
    OMP_NUM_THREADS=1 PYTHONPATH=peers python benchmarks/bench_peers.py

Ours and a peer take turns in one process; a library that is not installed
has no row. Trees of peers are built and asked anew, as ours are. Peers differ
in what ties give; ours are exact, ties included.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import platform
from collections.abc import Callable
from functools import partial

import torch
from bench_ops import compare
from torch import Tensor

from mmdet3d_act import ops

K, RADIUS, SAMPLES = 32, 0.1, 64
# Clouds, points, and samples or queries of a cloud.
SIZES = ((1, 40_000, 2048), (8, 1024, 64))


def quickfps(library: object, clouds: Tensor, count: int) -> None:
    """Farthest points by torch-quickfps."""
    library.sample_idx(clouds, count, start_idx=0)


def fpsample(library: object, clouds: Tensor, count: int) -> None:
    """Farthest points by fpsample's exact form without buckets."""
    for cloud in clouds:
        library.fps_sampling(cloud.numpy(), count, start_idx=0)


def open3d(library: object, clouds: Tensor, count: int) -> None:
    """Farthest points by Open3D."""
    for cloud in clouds:
        points = library.utility.Vector3dVector(cloud.double().numpy())
        library.geometry.PointCloud(points).farthest_point_down_sample(count)


def scipy_nearest(library: object, clouds: Tensor, count: int) -> None:
    """Nearest points by SciPy's kd-tree."""
    for cloud in clouds:
        library.cKDTree(cloud.numpy()).query(cloud[:count].numpy(), K)


def pykdtree_nearest(library: object, clouds: Tensor, count: int) -> None:
    """Nearest points by pykdtree."""
    for cloud in clouds:
        library.KDTree(cloud.numpy()).query(cloud[:count].numpy(), K)


def scipy_ball(library: object, clouds: Tensor, count: int) -> None:
    """Points in balls by SciPy's kd-tree."""
    for cloud in clouds:
        tree = library.cKDTree(cloud.numpy())
        tree.query_ball_point(cloud[:count].numpy(), RADIUS)


def our_nearest(clouds: Tensor, count: int) -> None:
    """Nearest points by this package."""
    ops.knn(clouds, clouds[:, :count], K)


def our_ball(clouds: Tensor, count: int) -> None:
    """Points in balls by this package."""
    ops.ball_query(clouds, clouds[:, :count], RADIUS, SAMPLES)


PEERS: tuple[tuple[str, str, Callable, Callable], ...] = (
    ('FPS', 'torch_quickfps', ops.farthest_point_sample, quickfps),
    ('FPS', 'fpsample', ops.farthest_point_sample, fpsample),
    ('FPS', 'open3d', ops.farthest_point_sample, open3d),
    ('kNN', 'scipy.spatial', our_nearest, scipy_nearest),
    ('kNN', 'pykdtree.kdtree', our_nearest, pykdtree_nearest),
    ('ball query', 'scipy.spatial', our_ball, scipy_ball),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--repeats', default=7, type=int)
    repeats = parser.parse_args().repeats
    cpu = torch.device('cpu')
    print(
        f'torch {torch.__version__}, Python {platform.python_version()}, '
        f'{torch.get_num_threads()} threads, median of {repeats}\n'
    )
    print('| operation | ours (ms) | peer | peer (ms) | peer / ours |')
    print('|---|---|---|---|---|')
    for batch, size, count in SIZES:
        torch.manual_seed(0)
        clouds = torch.rand(batch, size, 3)
        for name, module, ours, peer in PEERS:
            if importlib.util.find_spec(module.partition('.')[0]) is None:
                continue
            library = importlib.import_module(module)
            first, second = compare(
                partial(ours, clouds, count),
                partial(peer, library, clouds, count),
                repeats,
                cpu,
            )
            print(
                f'| {name}, {batch} x {count} of {size} | {first:.1f} | '
                f'{module} | {second:.1f} | {second / first:.1f} |',
                flush=True,
            )


if __name__ == '__main__':
    main()
