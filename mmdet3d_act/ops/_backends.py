"""MMCV's CUDA kernels where they are, and how much to compute at a time.

No operation of this package uses a matrix product, the one thing that
autocast would lower to half precision: distances come from differences of
coordinates, which is also what makes them exact near zero.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import cache
from types import ModuleType

import torch
from mmengine.logging import print_log
from torch import Tensor

# Entries of one block of pairwise distances. On the CPU a few such blocks
# fit the cache of a core (2.5 times faster than whole matrices of 4096 small
# patches); elsewhere they keep the device busy below 1 GB of work space.
CPU_BLOCK_PER_THREAD = 2**17
DEVICE_BLOCK = 2**25

# MMCV's kNN ignores what is farther away than 1e5: all coordinates below
# this bound keep squared distances below 1e10.
MMCV_MAX_COORDINATE = 2.8e4


@cache
def _import_mmcv_ops() -> ModuleType | None:
    try:
        ops = importlib.import_module('mmcv.ops')
        version = ops.get_compiling_cuda_version()
    except ImportError as error:
        version = f'not importable ({error})'
    if not version[:1].isdigit():
        print_log(
            f'MMCV has no CUDA kernels here: {version}. Point operations on '
            'the GPU use PyTorch instead, which gives the same results more '
            'slowly; build MMCV with nvcc to get its kernels.',
            logger='current',
            level=30,
        )
        return None
    return ops


def mmcv_ops(points: Tensor) -> ModuleType | None:
    """Return ``mmcv.ops`` if its CUDA kernels can take these points.

    Args:
        points: Clouds, (B, N, 3).

    Returns:
        The module for float32 points on a CUDA device where MMCV was built
        with CUDA; otherwise None, which means: use PyTorch.
    """
    if not points.is_cuda or points.dtype != torch.float32:
        return None
    return _import_mmcv_ops()


def block_size(device: torch.device) -> int:
    """Return how many pairwise distances to compute at a time.

    Args:
        device: Where they will be computed.

    Returns:
        Number of distances.
    """
    if device.type == 'cpu':
        return CPU_BLOCK_PER_THREAD * torch.get_num_threads()
    return DEVICE_BLOCK


def blocks(
    batch: int, rows: int, row_size: int, device: torch.device
) -> Iterator[tuple[slice, slice]]:
    """Yield slices that cut (batch, rows, row_size) into bounded blocks.

    Args:
        batch: Number of clouds.
        rows: Rows per cloud.
        row_size: Entries per row; a row is never cut.
        device: Where the blocks will be computed.

    Yields:
        Slices of the batch and of the rows. A block has at most
        ``block_size`` entries, or is a single row.
    """
    num_rows = max(1, block_size(device) // row_size)
    if num_rows >= rows:
        step = num_rows // rows
        for first in range(0, batch, step):
            yield slice(first, min(first + step, batch)), slice(0, rows)
        return
    for cloud in range(batch):
        for first in range(0, rows, num_rows):
            last = min(first + num_rows, rows)
            yield slice(cloud, cloud + 1), slice(first, last)


def squared_distances(first: Tensor, second: Tensor) -> Tensor:
    """Return all squared distances, computed from differences.

    Products and sums are rounded separately, so that equal points have
    equal distances wherever they stand in memory.

    Args:
        first: Coordinates by axis, (B, 3, N).
        second: Coordinates by axis, (B, 3, M).

    Returns:
        Squared distances, (B, N, M).
    """
    total = first[:, 0, :, None] - second[:, 0, None]
    total.mul_(total)
    delta = torch.empty_like(total)
    for axis in (1, 2):
        torch.sub(first[:, axis, :, None], second[:, axis, None], out=delta)
        total.add_(delta.mul_(delta))
    return total
