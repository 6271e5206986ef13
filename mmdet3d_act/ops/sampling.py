"""Farthest point sampling."""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from mmdet3d_act.ops import _cpu
from mmdet3d_act.ops._backends import (
    block_size,
    mmcv_ops,
    one_operation,
    triton_ops,
)
from mmdet3d_act.ops._checks import check_cloud, check_count, is_plain

# Squared distance to the origin up to which the published kernel skips points.
ORIGIN_RADIUS_SQUARED = 1e-3
# Threads per cloud of the published kernel and of MMCV's: they decide ties.
RELEASED_THREADS = 512
MMCV_THREADS = 1024
# Coordinates up to which a plain arg-max is faster than one in two steps.
ONE_STEP = 3 * 2**13


def farthest_point_sample(
    points: Tensor, num_samples: int, *, skip_origin: bool = False
) -> Tensor:
    """Return indices of points, each the farthest from those before it.

    The first index is always 0. Among equally far points the one is taken
    that the published CUDA kernel takes: with T = min(512, 2^floor(log2 N))
    threads, point k belongs to thread k mod T, and the smallest bit-reversed
    thread number wins, then the smallest k. All back ends follow it.

    Args:
        points: Clouds, (B, N, 3). Repeated points are fine; where a cloud has
            fewer distinct points than samples, points are repeated.
        num_samples: Number of samples S, at most N.
        skip_origin: Whether points with x^2 + y^2 + z^2 <= 1e-3 are never
            chosen, as in the published kernel (but for index 0, which also
            fills the result where all points are such). MMCV has no such
            rule, and neither has the method.

    Returns:
        Indices in the order of choice, (B, S), int64.

    Raises:
        TypeError: If ``points`` is no tensor or ``num_samples`` no integer.
        ValueError: If shape or dtype is wrong, a cloud is empty or not
            finite, or there are fewer points than samples.

    Source: Eldar et al. 1997, The farthest point strategy for progressive
        image sampling; tie and origin rules of pointnet2_ops 3.0.0.
    """
    points = check_cloud(points, 'points')
    check_count(num_samples, 'num_samples', points.shape[1], 'points')
    return sample_checked(points, num_samples, skip_origin)


def _empty_samples(
    points: Tensor, num_samples: int, skip_origin: bool
) -> Tensor:
    return points.new_empty(points.shape[0], num_samples, dtype=torch.long)


@torch.no_grad()
@one_operation(
    '(Tensor points, int num_samples, bool skip_origin) -> Tensor',
    _empty_samples,
)
def sample_checked(
    points: Tensor, num_samples: int, skip_origin: bool
) -> Tensor:
    """Return ``farthest_point_sample`` of points that were checked before.

    Args:
        points: Finite clouds, (B, N, 3).
        num_samples: Number of samples S, from 1 to N.
        skip_origin: Whether the published origin rule applies.

    Returns:
        Indices, (B, S), int64.
    """
    ops = None if skip_origin else mmcv_ops(points)
    if ops is not None:
        return _sample_mmcv(points, num_samples, ops)
    # While a model is traced, sizes are tensors.
    order = candidate_order(int(points.shape[1]), RELEASED_THREADS)
    return sample_in_order(
        points, num_samples, order.to(points.device), skip_origin
    )


def candidate_order(num_points: int, max_threads: int) -> Tensor:
    """Return the order in which a CUDA kernel prefers equally far points.

    Args:
        num_points: Number of points N.
        max_threads: Largest number of threads of the kernel, a power of two.

    Returns:
        Point indices, most preferred first, (N,), int64, on the CPU.
    """
    return torch.from_numpy(_candidate_order(int(num_points), max_threads))


@lru_cache(maxsize=32)
def _candidate_order(num_points: int, max_threads: int) -> np.ndarray:
    # In NumPy: a tensor made in a trace must not be kept for others.
    bits = min(num_points, max_threads).bit_length() - 1
    index = np.arange(num_points)
    thread = index % (1 << bits)
    reversed_thread = np.zeros_like(thread)
    for bit in range(bits):
        reversed_thread |= ((thread >> bit) & 1) << (bits - 1 - bit)
    return np.argsort(reversed_thread * num_points + index)


def _sample_mmcv(points: Tensor, num_samples: int, ops: ModuleType) -> Tensor:
    num_points = points.shape[1]
    place = None
    if num_points >= MMCV_THREADS:
        # MMCV breaks ties as 1024 threads do: hand it the points in an order
        # in which this comes to the published rule.
        published = candidate_order(num_points, RELEASED_THREADS)
        place = torch.empty_like(published)
        place[candidate_order(num_points, MMCV_THREADS)] = published
        place = place.to(points.device)
        points = points[:, place]
    # MMCV allocates on the current device, whatever the input's is.
    with torch.cuda.device_of(points):
        idx = ops.furthest_point_sample(points.contiguous(), num_samples)
    idx = idx.long()
    return idx if place is None else place[idx]


def sample_in_order(
    points: Tensor,
    num_samples: int,
    order: Tensor,
    skip_origin: bool = False,
) -> Tensor:
    """Return farthest points; the first in ``order`` wins a tie.

    Args:
        points: Finite clouds, (B, N, 3).
        num_samples: Number of samples S, from 1 to N.
        order: Point indices, most preferred first, (N,); begins with 0.
        skip_origin: Whether the published origin rule applies.

    Returns:
        Indices, (B, S), int64.
    """
    kernels = triton_ops(points)
    if kernels is not None:
        points = points.detach()[:, order]
        running = _first_distances(points, skip_origin)
        return order[kernels.farthest_points(points, running, num_samples)]
    if is_plain(points) and _cpu.compiled(_cpu._sample) is not None:
        points = points.detach()[:, order]
        running = _first_distances(points, skip_origin)
        found = [
            _cpu.sample(*cloud, num_samples)
            for cloud in zip(points, running, strict=True)
        ]
        return order[torch.stack(found)]
    step = max(1, block_size(points.device) // (2 * points.shape[1]))
    parts = [
        _sample_block(part[:, order], num_samples, skip_origin)
        for part in points.split(step)
    ]
    return order[torch.cat(parts)]


def _first_distances(points: Tensor, skip_origin: bool) -> Tensor:
    """Squared distances before the first choice, -1 for none, (B, N)."""
    running = points.new_full(points.shape[:2], 1e10)
    if skip_origin:
        norms = points.square()
        norms = norms[..., 0] + norms[..., 1] + norms[..., 2]
        running.masked_fill_(norms <= ORIGIN_RADIUS_SQUARED, -1)
    return running


def _sample_block(
    points: Tensor, num_samples: int, skip_origin: bool
) -> Tensor:
    """Return positions of the farthest points; the first wins a tie."""
    batch, num_points, _ = points.shape
    size = num_points
    if points.device.type == 'cpu' and points.numel() > ONE_STEP:
        size = int(num_points**0.5)
    padding = -num_points % size
    axes = points.new_zeros(3, batch, num_points + padding)
    axes[..., :num_points] = points.permute(2, 0, 1)
    running = torch.full_like(axes[0], 1e10)
    running[:, num_points:] = -2
    if skip_origin:
        norms = axes.square().sum(0)
        running[(norms <= ORIGIN_RADIUS_SQUARED) & (running > 0)] = -1
    delta = torch.empty_like(axes)
    squared = delta[0]
    last = torch.zeros(batch, 1, dtype=torch.long, device=points.device)
    chosen = [last]
    for _ in range(num_samples - 1):
        centers = axes.gather(2, last.expand(3, -1, -1))
        torch.sub(axes, centers, out=delta).square_()
        squared.add_(delta[1]).add_(delta[2])
        torch.minimum(running, squared, out=running)
        last = _first_largest(running, size)
        chosen.append(last)
    return torch.cat(chosen, dim=1)


def _first_largest(values: Tensor, size: int) -> Tensor:
    """Return the column of the first maximum of each row, (B, 1).

    On the CPU, where PyTorch does not vectorise ``argmax``, it is several
    times faster to look for the block of ``size`` columns first.
    """
    if size == values.shape[1]:
        return values.argmax(1, keepdim=True)
    table = values.view(len(values), -1, size)
    block = table.amax(2).argmax(1)[:, None, None]
    inside = table.gather(1, block.expand(-1, -1, size)).argmax(2)
    return block[:, 0] * size + inside
