"""Which kernels compute on a GPU, and how much is computed at a time.

On a GPU the first of these that is there: MMCV's CUDA kernels, Triton's,
PyTorch. The environment variable ``ACT_OPS_BACKEND`` names one of them.

No operation of this package uses a matrix product, the one thing that
autocast would lower to half precision: distances come from differences of
coordinates, which is also what makes them exact near zero.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from functools import cache, wraps
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from mmdet3d_act.ops._checks import is_plain
from mmdet3d_act.text import inform

# Entries of one block of pairwise distances. On the CPU a few such blocks
# fit the cache of a core (2.5 times faster than whole matrices of 4096 small
# patches); elsewhere they keep the device busy below 1 GB of work space.
CPU_BLOCK_PER_THREAD = 2**17
DEVICE_BLOCK = 2**25

BACKENDS = ('mmcv', 'triton', 'torch')

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
        inform(
            f'MMCV has no CUDA kernels here: {version}. Point operations on '
            'the GPU use Triton, or PyTorch where Triton is missing; results '
            'are the same.'
        )
        return None
    return ops


@cache
def _import_triton_ops() -> ModuleType | None:
    try:
        return importlib.import_module('mmdet3d_act.ops._triton')
    except ImportError:
        return None


def mmcv_ops(points: Tensor) -> ModuleType | None:
    """Return ``mmcv.ops`` if its CUDA kernels can take these points.

    Args:
        points: Clouds, (B, N, 3).

    Returns:
        The module for float32 points on a CUDA device where MMCV was built
        with CUDA and no other back end is asked for; otherwise None.

    Raises:
        ValueError: If ``ACT_OPS_BACKEND`` names something else.
        ImportError: If it asks for MMCV's kernels, and there are none.
    """
    return _kernels('mmcv', points, _import_mmcv_ops)


def triton_ops(points: Tensor) -> ModuleType | None:
    """Our Triton kernels if they can take these points.

    Args:
        points: Clouds, (B, N, 3).

    Returns:
        `mmdet3d_act.ops._triton` for float32 points on a CUDA device where
        Triton is installed and no other back end is asked for; otherwise
        None.

    Raises:
        ValueError: If ``ACT_OPS_BACKEND`` names something else.
        ImportError: If it asks for Triton, and there is none.
    """
    return _kernels('triton', points, _import_triton_ops)


def _kernels(
    name: str, points: Tensor, load: Callable[[], ModuleType | None]
) -> ModuleType | None:
    if points.dtype != torch.float32 or not is_plain(points, 'cuda'):
        return None
    forced = os.environ.get('ACT_OPS_BACKEND')
    if forced and forced not in BACKENDS:
        raise ValueError(
            f'ACT_OPS_BACKEND must be one of {BACKENDS}, got {forced!r}'
        )
    if forced and forced != name:
        return None
    ops = load()
    if forced and ops is None:
        raise ImportError(
            f'ACT_OPS_BACKEND={name}, but its kernels are not installed; '
            'unset it'
        )
    return ops


def one_operation(schema: str, fake: Callable) -> Callable:
    """Make a function one operation of the graph while it is compiled.

    ``torch.compile`` would unroll its loops otherwise, and leave out the fast
    forms of a CPU and the kernels of a GPU.

    Args:
        schema: Its arguments and results as PyTorch writes them.
        fake: From the same arguments, empty results of the right shapes.

    Returns:
        A decorator.
    """

    def decorate(function: Callable) -> Callable:
        if not hasattr(torch.library, 'custom_op'):  # Before PyTorch 2.4.
            return function
        operation = torch.library.custom_op(
            f'mmdet3d_act::{function.__name__.strip("_")}',
            function,
            mutates_args=(),
            schema=schema,
        )
        operation.register_fake(fake)

        @wraps(function)
        def call(*args: Any) -> Any:  # noqa: ANN401
            compiling = torch.compiler.is_compiling()
            return operation(*args) if compiling else function(*args)

        return call

    return decorate


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
