"""Search for neighbours: the k nearest, or those within a radius."""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor

from mmdet3d_act.ops._backends import (
    MMCV_MAX_COORDINATE,
    blocks,
    mmcv_ops,
    squared_distances,
)
from mmdet3d_act.ops._checks import (
    check_cloud,
    check_count,
    check_pair,
    check_positive,
)

MMCV_MAX_NEIGHBORS = 99


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


@torch.no_grad()
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
        if extent < MMCV_MAX_COORDINATE:
            return _knn_mmcv(points, queries, k, ops)
    return _knn_torch(points, queries, k)


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
    return idx.gather(-1, order), squared


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
    # Numbers >= 0 are ordered like their bits, and integers sort faster.
    integer = torch.int32 if distances.dtype == torch.float32 else torch.int64
    bits = distances.view(integer)
    num_columns = bits.shape[1]
    values, idx = bits.topk(min(k + 1, num_columns), largest=False)
    tied = (values[:, 1:] == values[:, :-1]).any(1).nonzero()[:, 0]
    idx = idx[:, :k]
    if not len(tied):
        return idx
    if integer == torch.int64:
        exact = bits[tied].sort(stable=True).indices[:, :k]
    else:
        # With the column in the low bits all keys differ.
        columns = torch.arange(num_columns, device=bits.device)
        keys = (bits[tied].long() << 32).bitwise_or_(columns)
        exact = keys.topk(k, largest=False).indices
    idx = idx.contiguous()
    idx[tied] = exact
    return idx


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
    ops = mmcv_ops(points)
    if ops is not None:
        with torch.cuda.device_of(points):
            return ops.ball_query(
                0.0,
                float(radius),
                num_samples,
                points.contiguous(),
                queries.contiguous(),
            ).long()
    # Squared in the points' own precision, as the kernel does.
    limit = points.new_tensor(radius).square()
    batch, num_queries, _ = queries.shape
    idx = torch.zeros(
        batch, num_queries, num_samples, dtype=torch.long, device=points.device
    )
    point_axes = points.transpose(1, 2).contiguous()
    query_axes = queries.transpose(1, 2).contiguous()
    for clouds, rows in blocks(
        batch, num_queries, points.shape[1], points.device
    ):
        near = limit > squared_distances(
            query_axes[clouds, :, rows], point_axes[clouds]
        )
        idx[clouds, rows] = _first_hits(near.flatten(0, 1), num_samples).view(
            *near.shape[:2], num_samples
        )
    return idx


def _first_hits(near: Tensor, num_samples: int) -> Tensor:
    """Return the first true columns, padded with the first, (R, S)."""
    rows, columns = near.nonzero(as_tuple=True)
    counts = near.sum(1)
    starts = counts.cumsum(0) - counts
    rank = torch.arange(len(rows), device=near.device) - starts[rows]
    kept = rank < num_samples
    found = torch.zeros(
        len(near), num_samples, dtype=torch.long, device=near.device
    )
    found[rows[kept], rank[kept]] = columns[kept]
    missing = torch.arange(num_samples, device=near.device) >= counts[:, None]
    return torch.where(missing, found[:, :1], found)
