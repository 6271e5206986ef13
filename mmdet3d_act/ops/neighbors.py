"""Search for neighbours: the k nearest, or those within a radius."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mmdet3d_act.ops import _cpu
from mmdet3d_act.ops._backends import (
    MMCV_MAX_COORDINATE,
    blocks,
    mmcv_ops,
    one_operation,
    squared_distances,
    triton_ops,
)
from mmdet3d_act.ops._checks import (
    check_cloud,
    check_count,
    check_pair,
    check_positive,
    is_plain,
    require,
)

MMCV_MAX_NEIGHBORS = 99
TOO_FAR = (
    f"MMCV's kNN needs coordinates below {MMCV_MAX_COORDINATE:.0f}; centre "
    'the clouds'
)
# Balls that are searched by the kd-tree at once: bounds the candidates.
QUERIES_AT_ONCE = 512


def knn(
    points: Tensor,
    queries: Tensor,
    k: int,
    *,
    return_distances: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Return the k nearest points of every query, nearest first.

    Exact; a query that is one of the points finds itself. Ties go to the
    lower index; with MMCV's CUDA kernel that holds among the points found,
    but which of several points at exactly the k-th distance are found is the
    kernel's choice. Memory is bounded, as the distances are computed in
    blocks: 0.5 GB on a GPU, a few megabytes on the CPU, plus the result.

    Args:
        points: Clouds, (B, N, 3).
        queries: Where to search, (B, S, 3), in the units of ``points``.
        k: Number of neighbours, at most N.
        return_distances: Whether Euclidean distances are returned as well.

    Returns:
        Indices into ``points``, (B, S, k), int64; with ``return_distances``
        also the distances, (B, S, k), without gradient.

    Raises:
        TypeError: If an argument is no tensor or ``k`` no integer.
        ValueError: If shapes, dtypes or devices are wrong or do not match, a
            cloud is empty or not finite, or k > N.
    """
    points = check_cloud(points, 'points')
    queries = check_cloud(queries, 'queries')
    check_pair(points, queries, ('points', 'queries'))
    check_count(k, 'k', points.shape[1], 'points')
    idx, squared = knn_checked(points, queries, k)
    return (idx, squared.sqrt()) if return_distances else idx


def _empty_neighbors(
    points: Tensor, queries: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    squared = points.new_empty(*queries.shape[:2], k)
    return torch.empty_like(squared, dtype=torch.long), squared


@torch.no_grad()
@one_operation(
    '(Tensor points, Tensor queries, int k) -> (Tensor, Tensor)',
    _empty_neighbors,
)
def knn_checked(
    points: Tensor, queries: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """Return ``knn`` of points that were checked before.

    Args:
        points: Finite clouds, (B, N, 3).
        queries: Finite queries, (B, S, 3).
        k: Number of neighbours, from 1 to N.

    Returns:
        Indices, (B, S, k), int64, and squared distances, (B, S, k).
    """
    ops = mmcv_ops(points) if k <= MMCV_MAX_NEIGHBORS else None
    if ops is not None:
        extent = torch.maximum(points.abs().amax(), queries.abs().amax())
        require(extent < MMCV_MAX_COORDINATE, TOO_FAR)
        return _knn_mmcv(points, queries, k, ops)
    kernels = triton_ops(points)
    if kernels is not None and k <= kernels.MAX_NEIGHBORS:
        return kernels.nearest(points, queries, k)
    if is_plain(points) and is_plain(queries):
        return _knn_cpu(points.detach(), queries.detach(), k)
    return _knn_torch(points, queries, k)


def _knn_cpu(points: Tensor, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
    if points.shape[1] < max(_cpu.TREE_SIZE, 2 * k):
        if _cpu.compiled(_cpu._nearest) is None:
            return _knn_torch(points, queries, k)
        return _cpu.nearest_of_all(points, queries, k)
    parts = []
    for cloud, places in zip(points, queries, strict=True):
        idx, squared, certain = _cpu.nearest(cloud, places, k)
        if not certain.all():
            doubtful = places[~certain]
            found = _knn_torch(cloud[None], doubtful[None], k)
            idx[~certain], squared[~certain] = found[0][0], found[1][0]
        parts.append((idx, squared))
    return tuple(torch.stack(part) for part in zip(*parts, strict=True))


def _knn_mmcv(
    points: Tensor, queries: Tensor, k: int, ops: ModuleType
) -> tuple[Tensor, Tensor]:
    with torch.cuda.device_of(points):
        found = ops.knn(k, points.contiguous(), queries.contiguous())
    idx = found.transpose(1, 2).long().sort(dim=-1).values
    # The kernel's heap leaves ties in any order, and its fused arithmetic
    # may swap close neighbours: order them as the other back end does.
    rows = torch.arange(len(points), device=points.device)[:, None, None]
    squared = (points[rows, idx] - queries[:, :, None]).square_()
    squared = squared[..., 0] + squared[..., 1] + squared[..., 2]
    squared, order = squared.sort(dim=-1, stable=True)
    return idx.gather(-1, order).contiguous(), squared.contiguous()


def _knn_torch(
    points: Tensor, queries: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    batch, num_queries, _ = queries.shape
    idx = torch.empty(
        batch, num_queries, k, dtype=torch.long, device=points.device
    )
    squared = points.new_empty(idx.shape)
    point_axes = points.transpose(1, 2).contiguous()
    query_axes = queries.transpose(1, 2).contiguous()
    for clouds, rows in blocks(
        batch, num_queries, points.shape[1], points.device
    ):
        distances = squared_distances(
            query_axes[clouds, :, rows], point_axes[clouds]
        )
        best = _smallest(distances.flatten(0, 1), k)
        shape = (*distances.shape[:2], k)
        idx[clouds, rows] = best.view(shape)
        squared[clouds, rows] = distances.gather(2, best.view(shape))
    return idx, squared


def _smallest(distances: Tensor, k: int) -> Tensor:
    """Return the columns of the k smallest, ties by column, (R, k)."""
    if distances.dtype != torch.float32 or torch.jit.is_tracing():
        return distances.sort(stable=True).indices[:, :k]
    # Numbers >= 0 are ordered like their bits, and with the column below
    # them no two keys are equal.
    columns = torch.arange(distances.shape[1], device=distances.device)
    keys = (distances.view(torch.int32).long() << 32).bitwise_or_(columns)
    return keys.topk(k, largest=False).indices


def ball_query(
    points: Tensor, queries: Tensor, radius: float, num_samples: int
) -> Tensor:
    """Return the first points, in index order, within a radius of a query.

    A point counts where its squared distance is < radius^2. Missing entries
    repeat the first hit; without any hit all are 0.

    Args:
        points: Clouds, (B, N, 3).
        queries: Centres of the balls, (B, S, 3).
        radius: Radius, in the units of the coordinates.
        num_samples: Number of indices per query.

    Returns:
        Indices into ``points``, (B, S, num_samples), int64.

    Raises:
        TypeError: If an argument is no tensor or ``num_samples`` no integer.
        ValueError: If shapes, dtypes or devices are wrong or do not match, a
            cloud is empty or not finite, or the radius is not positive.

    Source: PointNet++ (Qi et al. 2017), section 3.2.
    """
    points = check_cloud(points, 'points').detach()
    queries = check_cloud(queries, 'queries').detach()
    check_pair(points, queries, ('points', 'queries'))
    check_count(num_samples, 'num_samples')
    check_positive(radius, 'radius')
    return _ball_query(points, queries, float(radius), num_samples)


def _empty_balls(
    points: Tensor, queries: Tensor, radius: float, num_samples: int
) -> Tensor:
    shape = *queries.shape[:2], num_samples
    return points.new_empty(shape, dtype=torch.long)


@one_operation(
    '(Tensor points, Tensor queries, float radius, int num_samples) -> Tensor',
    _empty_balls,
)
def _ball_query(
    points: Tensor, queries: Tensor, radius: float, num_samples: int
) -> Tensor:
    ops = mmcv_ops(points)
    if ops is not None:
        with torch.cuda.device_of(points):
            return ops.ball_query(
                0.0,
                radius,
                num_samples,
                points.contiguous(),
                queries.contiguous(),
            ).long()
    # Squared in the points' own precision, as the kernel does.
    own = np.float64 if points.dtype == torch.float64 else np.float32
    limit = float(np.square(own(radius)))
    kernels = triton_ops(points)
    if kernels is not None:
        return kernels.in_balls(points, queries, limit, num_samples)
    if is_plain(points) and points.shape[1] >= _cpu.TREE_SIZE:
        return _ball_query_cpu(points, queries, limit, num_samples)
    batch, num_queries, _ = queries.shape
    idx = torch.zeros(
        batch, num_queries, num_samples, dtype=torch.long, device=points.device
    )
    point_axes = points.transpose(1, 2).contiguous()
    query_axes = queries.transpose(1, 2).contiguous()
    for clouds, rows in blocks(
        batch, num_queries, points.shape[1], points.device
    ):
        squared = squared_distances(
            query_axes[clouds, :, rows], point_axes[clouds]
        )
        near = squared < limit
        idx[clouds, rows] = _first_hits(near.flatten(0, 1), num_samples).view(
            *near.shape[:2], num_samples
        )
    return idx


def _ball_query_cpu(
    points: Tensor, queries: Tensor, limit: float, num_samples: int
) -> Tensor:
    found = []
    radius = limit**0.5
    for cloud, places in zip(points, queries, strict=True):
        tree = _cpu.kd_tree(cloud.numpy())
        for part in places.split(QUERIES_AT_ONCE):
            rows, columns = _cpu.within(tree, part, radius)
            squared = (cloud[columns] - part[rows]).square_()
            squared = squared[:, 0] + squared[:, 1] + squared[:, 2]
            near = squared < limit
            found.append(
                _pick_first(rows[near], columns[near], len(part), num_samples)
            )
    return torch.cat(found).view(*queries.shape[:2], num_samples)


def _first_hits(near: Tensor, num_samples: int) -> Tensor:
    """Return the first true columns, padded with the first, (R, S)."""
    size = near.shape[1]
    columns = torch.arange(size, dtype=torch.int32, device=near.device)
    places = torch.where(near, columns, size)
    count = min(num_samples, size)
    found = places.topk(count, largest=False).values.long()
    found = F.pad(found, (0, num_samples - count), value=size)
    first = found[:, :1] % size  # 0 where there is none
    return torch.where(found < size, found, first)


def _pick_first(
    rows: Tensor, columns: Tensor, num_rows: int, num_samples: int
) -> Tensor:
    """Return the first columns of each row, padded, (num_rows, S).

    Args:
        rows: Row of each hit, ascending, (M,).
        columns: Column of each hit, ascending in a row, (M,).
        num_rows: Number of rows.
        num_samples: Number of columns that are kept.
    """
    counts = torch.bincount(rows, minlength=num_rows)
    starts = counts.cumsum(0) - counts
    rank = torch.arange(len(rows), device=rows.device) - starts[rows]
    kept = rank < num_samples
    found = torch.zeros(
        num_rows, num_samples, dtype=torch.long, device=rows.device
    )
    found[rows[kept], rank[kept]] = columns[kept]
    missing = torch.arange(num_samples, device=rows.device) >= counts[:, None]
    return torch.where(missing, found[:, :1], found)
