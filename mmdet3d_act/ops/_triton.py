"""Farthest points, nearest points and balls on a GPU, as Triton kernels.

Triton comes with PyTorch's wheels for CUDA and compiles at the first call, so
these need no nvcc. They return what the plain forms in PyTorch return, ties
and rounding included: ``enable_fp_fusion=False`` keeps products and sums from
being rounded together. All take contiguous float32 tensors.
"""

from __future__ import annotations

import torch
import triton
from torch import Tensor
from triton import language as tl

# Sorts of the kernel for neighbours work on this many points at a time.
TILE = 128
# Neighbours that it can hold in the registers of a warp.
MAX_NEIGHBORS = 128
# Points of a cloud that stay in the registers of one program.
IN_REGISTERS = 8192
# Points that a larger cloud is read by.
SCENE_TILE = 4096
# Below the key of any point, see `_key`.
NO_KEY = tl.constexpr(-(2**63))


def farthest_points(
    points: Tensor, running: Tensor, num_samples: int
) -> Tensor:
    """Positions of farthest points; the first wins a tie.

    Args:
        points: Clouds, (B, N, 3).
        running: Squared distances to begin with, (B, N); negative where a
            point may not be chosen. Used as scratch space.
        num_samples: Number of samples S.

    Returns:
        (B, S), int64; the first is 0.
    """
    batch, num_points, _ = points.shape
    axes = points.transpose(1, 2).contiguous()
    chosen = torch.zeros(
        batch, num_samples, dtype=torch.int64, device=points.device
    )
    if num_points <= IN_REGISTERS:
        kernel, tile = _farthest_in_registers, _power_of_two(num_points)
    else:
        kernel, tile = _farthest_in_memory, SCENE_TILE
    with torch.cuda.device_of(points):
        kernel[(batch,)](
            axes,
            running,
            chosen,
            num_points,
            num_samples,
            TILE=tile,
            num_warps=min(max(tile // 256, 1), 32),
            enable_fp_fusion=False,
        )
    return chosen


def nearest(points: Tensor, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k nearest points of each query.

    Args:
        points: Clouds, (B, N, 3).
        queries: (B, S, 3).
        k: Number of neighbours, at most `MAX_NEIGHBORS`.

    Returns:
        Indices, int64, and squared distances, (B, S, k), nearest first, ties
        by index.
    """
    batch, num_queries, _ = queries.shape
    squared = points.new_empty(batch, num_queries, k)
    idx = torch.empty_like(squared, dtype=torch.int64)
    with torch.cuda.device_of(points):
        _nearest[(batch * num_queries,)](
            points.transpose(1, 2).contiguous(),
            queries.contiguous(),
            idx,
            squared,
            points.shape[1],
            num_queries,
            k,
            KEPT=_power_of_two(k),
            TILE=TILE,
            num_warps=1,
            enable_fp_fusion=False,
        )
    return idx, squared


def in_balls(
    points: Tensor, queries: Tensor, limit: float, num_samples: int
) -> Tensor:
    """The first points, in index order, within a radius of each query.

    Args:
        points: Clouds, (B, N, 3).
        queries: (B, S, 3).
        limit: Squared radius, a number of float32.
        num_samples: Number of indices per query.

    Returns:
        (B, S, num_samples), int64; missing ones repeat the first, or are 0.
    """
    batch, num_queries, _ = queries.shape
    idx = torch.empty(
        batch,
        num_queries,
        num_samples,
        dtype=torch.int64,
        device=points.device,
    )
    with torch.cuda.device_of(points):
        _in_balls[(batch * num_queries,)](
            points.transpose(1, 2).contiguous(),
            queries.contiguous(),
            idx,
            limit,
            points.shape[1],
            num_queries,
            num_samples,
            TILE=TILE,
            num_warps=1,
            enable_fp_fusion=False,
        )
    return idx


def _power_of_two(number: int) -> int:
    # One-element tensors are scalars to some of Triton's functions.
    return max(2, triton.next_power_of_2(number))


@triton.jit
def _squared(axes, num_points, index, inside, x, y, z):
    """Squared distances of a tile of points from a place, (TILE,)."""
    dx = x - tl.load(axes + index, mask=inside, other=0.0)
    dy = y - tl.load(axes + num_points + index, mask=inside, other=0.0)
    dz = z - tl.load(axes + 2 * num_points + index, mask=inside, other=0.0)
    return dx * dx + dy * dy + dz * dz


@triton.jit
def _farthest_in_registers(
    axes, running, chosen, num_points, num_samples, TILE: tl.constexpr
):
    """One program per cloud, which it reads once."""
    cloud = tl.program_id(0).to(tl.int64)
    axes += cloud * 3 * num_points
    index = tl.arange(0, TILE)
    inside = index < num_points
    xs = tl.load(axes + index, mask=inside, other=0.0)
    ys = tl.load(axes + num_points + index, mask=inside, other=0.0)
    zs = tl.load(axes + 2 * num_points + index, mask=inside, other=0.0)
    # Padding is behind every point, also behind those not to be chosen.
    near = tl.load(
        running + cloud * num_points + index, mask=inside, other=-2.0
    )
    last = 0
    for step in range(1, num_samples):
        dx = xs - tl.load(axes + last)
        dy = ys - tl.load(axes + num_points + last)
        dz = zs - tl.load(axes + 2 * num_points + last)
        near = tl.minimum(near, dx * dx + dy * dy + dz * dz)
        last = tl.argmax(near, axis=0, tie_break_left=True)
        tl.store(chosen + cloud * num_samples + step, last)


@triton.jit
def _farthest_in_memory(
    axes, running, chosen, num_points, num_samples, TILE: tl.constexpr
):
    """One program per cloud; its distances stay in global memory."""
    cloud = tl.program_id(0).to(tl.int64)
    axes += cloud * 3 * num_points
    running += cloud * num_points
    lane = tl.arange(0, TILE)
    last = 0
    for step in range(1, num_samples):
        x = tl.load(axes + last)
        y = tl.load(axes + num_points + last)
        z = tl.load(axes + 2 * num_points + last)
        # The farthest that each lane has seen; the lanes decide at the end.
        best = tl.full((TILE,), -2.0, tl.float32)
        place = tl.zeros((TILE,), tl.int32)
        for first in range(0, num_points, TILE):
            index = first + lane
            inside = index < num_points
            squared = _squared(axes, num_points, index, inside, x, y, z)
            near = tl.load(running + index, mask=inside, other=-2.0)
            near = tl.minimum(near, squared)
            tl.store(running + index, near, mask=inside)
            place = tl.where(near > best, index, place)
            best = tl.maximum(best, near)
        farthest = tl.max(best, axis=0)
        last = tl.min(tl.where(best == farthest, place, num_points), axis=0)
        tl.store(chosen + cloud * num_samples + step, last)
        tl.debug_barrier()  # What was stored is read by other threads.


@triton.jit
def _key(squared, index):
    """Integers, the larger the nearer, then the lower the index.

    Numbers >= 0 are ordered like their bits; with the index below them no two
    are equal.
    """
    bits = squared.to(tl.int32, bitcast=True).to(tl.int64)
    return ~((bits << 32) | index)


@triton.jit
def _nearest(
    axes,
    queries,
    idx,
    distances,
    num_points,
    num_queries,
    k,
    KEPT: tl.constexpr,
    TILE: tl.constexpr,
):
    """One warp per query; the nearest so far are sorted in its registers."""
    row = tl.program_id(0).to(tl.int64)
    axes += row // num_queries * 3 * num_points
    x = tl.load(queries + 3 * row)
    y = tl.load(queries + 3 * row + 1)
    z = tl.load(queries + 3 * row + 2)
    kept = tl.full((KEPT,), NO_KEY, tl.int64)
    worst = tl.min(kept, axis=0)
    for first in range(0, num_points, TILE):
        index = first + tl.arange(0, TILE)
        inside = index < num_points
        squared = _squared(axes, num_points, index, inside, x, y, z)
        keys = tl.where(inside, _key(squared, index), NO_KEY)
        # Most tiles of a large cloud have nothing near: they are not sorted.
        if tl.max(keys, axis=0) > worst:
            # The larger half of two sorted lists, one of them turned round,
            # rises and falls once: one merge sorts it.
            found = tl.flip(tl.topk(keys, KEPT), 0)
            kept = tl.bitonic_merge(tl.maximum(kept, found), descending=True)
            worst = tl.min(kept, axis=0)
    column = tl.arange(0, KEPT)
    keys = ~kept
    tl.store(idx + row * k + column, keys & 0xFFFFFFFF, mask=column < k)
    squared = (keys >> 32).to(tl.int32).to(tl.float32, bitcast=True)
    tl.store(distances + row * k + column, squared, mask=column < k)


@triton.jit
def _in_balls(
    axes,
    queries,
    idx,
    limit,
    num_points,
    num_queries,
    num_samples,
    TILE: tl.constexpr,
):
    """One warp per query, which stops where its ball is full."""
    row = tl.program_id(0).to(tl.int64)
    axes += row // num_queries * 3 * num_points
    idx += row * num_samples
    x = tl.load(queries + 3 * row)
    y = tl.load(queries + 3 * row + 1)
    z = tl.load(queries + 3 * row + 2)
    lane = tl.arange(0, TILE)
    first, count, filler = 0, 0, num_points
    while (first < num_points) & (count < num_samples):
        index = first + lane
        inside = index < num_points
        squared = _squared(axes, num_points, index, inside, x, y, z)
        hit = (inside & (squared < limit)).to(tl.int32)
        place = count + tl.cumsum(hit, axis=0) - hit
        tl.store(idx + place, index, mask=(hit > 0) & (place < num_samples))
        hits = tl.where(hit > 0, index, num_points)
        filler = tl.minimum(filler, tl.min(hits, axis=0))
        count += tl.sum(hit, axis=0)
        first += TILE
    filler = tl.where(filler < num_points, filler, 0)
    for start in range(0, num_samples, TILE):
        place = start + lane
        missing = (place >= count) & (place < num_samples)
        tl.store(idx + place, tl.zeros((TILE,), tl.int64) + filler, missing)
