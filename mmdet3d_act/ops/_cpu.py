"""Fast searches on a CPU: a kd-tree, and compiled farthest points.

What they return is exactly what the plain forms in PyTorch return, ties and
rounding included: SciPy's kd-tree only proposes candidates, which are then
measured and ordered in the points' own precision, and the compiled search
computes what the plain one does, less what cannot change the result.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

# Points of a bucket of the compiled search for farthest points.
BUCKET = 64
# Points from which a tree is faster than the compiled look at all of them.
TREE_SIZE = 6144
# Parts of the points, at least, in that look: what the compiler vectorises.
PARTS = 16
# Relative slack between SciPy's distances and ours, in units of rounding.
SLACK = 32


@cache
def compiled(function: Callable) -> Callable | None:
    """A function below, compiled; None without numba."""
    try:
        from numba import njit
    except ImportError:
        return None
    return njit(cache=True, nogil=True)(function)


def kd_tree(points: np.ndarray) -> cKDTree:
    """A tree of one cloud (N, 3) that is fast to build."""
    from scipy import spatial

    return spatial.cKDTree(points, balanced_tree=False, compact_nodes=False)


def nearest(
    points: Tensor, queries: Tensor, k: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The k nearest points of each query of one cloud.

    Args:
        points: (N, 3), N > k.
        queries: (S, 3).
        k: Number of neighbours.

    Returns:
        Indices and squared distances, (S, k), nearest first, ties by index,
        and which rows are certain, (S,): in the others more points than were
        looked at may be equally near.
    """
    count = min(len(points), k + max(4, k // 4))
    tree = kd_tree(points.numpy())
    reach, idx = tree.query(
        queries.numpy(), count, workers=torch.get_num_threads()
    )
    # By index first: the stable sort then leaves ties in that order.
    idx = torch.from_numpy(idx).sort(dim=1).values
    squared = (points[idx] - queries[:, None]).square_()
    squared = squared[..., 0] + squared[..., 1] + squared[..., 2]
    squared, order = squared.sort(dim=1, stable=True)
    slack = 1 - SLACK * torch.finfo(points.dtype).eps
    bound = torch.from_numpy(reach[:, -1]).square_().mul_(slack)
    certain = squared[:, k - 1] < bound
    if count == len(points):
        certain = torch.ones_like(certain)
    return idx.gather(1, order)[:, :k], squared[:, :k], certain


def within(
    tree: cKDTree, queries: Tensor, radius: float
) -> tuple[Tensor, Tensor]:
    """The points of one cloud that may be within a radius of each query.

    Args:
        tree: The cloud's, see `kd_tree`.
        queries: (S, 3).
        radius: Radius.

    Returns:
        Rows and columns of the candidates, by row, then by index, (M,) each:
        all points within the radius, and some at its border.
    """
    slack = 1 + SLACK * torch.finfo(queries.dtype).eps
    found = tree.query_ball_point(
        queries.numpy(),
        radius * slack,
        workers=torch.get_num_threads(),
        return_sorted=True,
    )
    counts = np.fromiter(map(len, found), np.int64, len(found))
    columns = np.fromiter(
        chain.from_iterable(found), np.int64, int(counts.sum())
    )
    rows = np.repeat(np.arange(len(found)), counts)
    return torch.from_numpy(rows), torch.from_numpy(columns)


def sample(points: Tensor, running: Tensor, num_samples: int) -> Tensor:
    """Positions of farthest points of one cloud; the first wins a tie.

    Args:
        points: (N, 3).
        running: Squared distances to begin with, (N,); negative where a
            point may not be chosen.
        num_samples: Number of samples S.

    Returns:
        (S,), int64; the first is 0.
    """
    coords = points.numpy()
    bucket = len(coords)
    rank = np.arange(len(coords))
    if len(coords) * num_samples > 1 << 19:
        bucket = BUCKET
        rank = np.argsort(_morton_codes(coords), kind='stable')
    starts = np.arange(0, len(coords), bucket)
    ordered = coords[rank]
    lows = np.minimum.reduceat(ordered, starts, axis=0)
    highs = np.maximum.reduceat(ordered, starts, axis=0)
    running = running.numpy()[rank]
    idx = compiled(_sample)(
        np.ascontiguousarray(ordered.T),
        running,
        running.view(f'i{running.itemsize}'),
        rank,
        lows,
        highs,
        coords[0],
        bucket,
        num_samples,
        coords.dtype.type(1 - SLACK * torch.finfo(points.dtype).eps),
    )
    return torch.from_numpy(idx)


def _morton_codes(coords: np.ndarray) -> np.ndarray:
    """Codes (N,) whose order keeps what is near in space together."""
    low = coords.min(0)
    extent = max(float((coords.max(0) - low).max()), 1e-30)
    cells = ((coords - low) / extent * 1023).astype(np.uint32)
    code = np.zeros(len(coords), np.uint32)
    for axis in range(3):
        bits = cells[:, axis]
        for shift, keep in (
            (16, 0x030000FF),
            (8, 0x0300F00F),
            (4, 0x030C30C3),
            (2, 0x09249249),
        ):
            bits = (bits | (bits << np.uint32(shift))) & np.uint32(keep)
        code |= bits << np.uint32(axis)
    return code


def _sample(  # noqa: ANN202
    axes,  # noqa: ANN001
    running,  # noqa: ANN001
    bits,  # noqa: ANN001
    rank,  # noqa: ANN001
    lows,  # noqa: ANN001
    highs,  # noqa: ANN001
    center,  # noqa: ANN001
    bucket,  # noqa: ANN001
    num_samples,  # noqa: ANN001
    slack,  # noqa: ANN001
):
    """Farthest points by buckets, compiled.

    A bucket whose box is farther from the new centre than any of its points
    is from the earlier ones keeps its distances, and is passed over.

    Args:
        axes: Coordinates in the order of the buckets, (3, N).
        running: Squared distance to the nearest chosen point, (N,).
        bits: The same memory as integers, which have the same order.
        rank: Place of each point in the order that decides ties, (N,).
        lows: Lowest coordinates of each bucket, (M, 3).
        highs: Highest coordinates of each bucket, (M, 3).
        center: The first point, (3,).
        bucket: Points in a bucket.
        num_samples: Number of samples S.
        slack: Factor below 1 for the rounding of distances to boxes.

    Returns:
        Ranks of the chosen points, (S,).
    """
    num_points = axes.shape[1]
    num_buckets = lows.shape[0]
    farthest = np.full(num_buckets, 1e10, running.dtype)
    winner = np.zeros(num_buckets, np.int64)
    chosen = np.zeros(num_samples, np.int64)
    x, y, z = center[0], center[1], center[2]
    zero = running.dtype.type(0)
    for step in range(1, num_samples):
        best = -1
        for b in range(num_buckets):
            dx = max(lows[b, 0] - x, x - highs[b, 0], zero)
            dy = max(lows[b, 1] - y, y - highs[b, 1], zero)
            dz = max(lows[b, 2] - z, z - highs[b, 2], zero)
            if (
                step == 1
                or (dx * dx + dy * dy + dz * dz) * slack < farthest[b]
            ):
                first = b * bucket
                last = min(first + bucket, num_points)
                xs, ys, zs = axes[0, first:last], axes[1], axes[2]
                ys, zs = ys[first:last], zs[first:last]
                near, code = running[first:last], bits[first:last]
                # Three plain loops, since the compiler vectorises those.
                for i in range(near.shape[0]):
                    ex, ey, ez = xs[i] - x, ys[i] - y, zs[i] - z
                    squared = ex * ex + ey * ey + ez * ez
                    near[i] = squared if squared < near[i] else near[i]
                largest = code[0]
                for i in range(code.shape[0]):
                    largest = code[i] if code[i] > largest else largest
                top = -1
                for i in range(code.shape[0]):
                    if code[i] == largest and (
                        top < 0 or rank[first + i] < rank[top]
                    ):
                        top = first + i
                farthest[b] = running[top]
                winner[b] = top
            if (
                best < 0
                or farthest[b] > farthest[best]
                or (
                    farthest[b] == farthest[best]
                    and rank[winner[b]] < rank[winner[best]]
                )
            ):
                best = b
        top = winner[best]
        chosen[step] = rank[top]
        x, y, z = axes[0, top], axes[1, top], axes[2, top]
    return chosen


def nearest_of_all(
    points: Tensor, queries: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """The k nearest points of each query, by a compiled look at all.

    Args:
        points: (B, N, 3).
        queries: (B, S, 3).
        k: Number of neighbours.

    Returns:
        Indices and squared distances, (B, S, k), nearest first, ties by
        index.
    """
    shape = (*queries.shape[:2], k)
    idx = np.zeros(shape, np.int64)
    squared = np.zeros(shape, points.numpy().dtype)
    axes = np.ascontiguousarray(points.transpose(1, 2).numpy())
    compiled(_nearest)(axes, queries.numpy(), idx, squared)
    return torch.from_numpy(idx), torch.from_numpy(squared)


def _nearest(axes, queries, idx, squared) -> None:  # noqa: ANN001
    """Fill ``idx`` and ``squared``, (B, S, k), compiled.

    Args:
        axes: Coordinates, (B, 3, N).
        queries: (B, S, 3).
        idx: Written to.
        squared: Written to.
    """
    k = idx.shape[2]
    num_points = axes.shape[2]
    distances = np.empty(num_points, squared.dtype)
    width = min(max(k, PARTS), num_points)
    least = np.empty(width, squared.dtype)
    near = np.empty(num_points, np.int64)
    for cloud in range(len(axes)):
        xs, ys, zs = axes[cloud, 0], axes[cloud, 1], axes[cloud, 2]
        for row in range(queries.shape[1]):
            x, y, z = queries[cloud, row]
            for i in range(num_points):
                ex, ey, ez = xs[i] - x, ys[i] - y, zs[i] - z
                distances[i] = ex * ex + ey * ey + ez * ez
            # With the nearest of each of k parts there are k points that are
            # not beyond the farthest of these: what is, is not sorted in.
            least[:] = distances[:width]
            for first in range(width, num_points - width + 1, width):
                part = distances[first : first + width]
                for i in range(width):
                    least[i] = part[i] if part[i] < least[i] else least[i]
            bound = least.max()
            found = 0
            for i in range(num_points):
                near[found] = i
                found += distances[i] <= bound
            best, places = squared[cloud, row], idx[cloud, row]
            count = 0
            for i in near[:found]:
                value = distances[i]
                if count == k and value >= best[k - 1]:
                    continue
                place = min(count, k - 1)
                while place > 0 and best[place - 1] > value:
                    best[place] = best[place - 1]
                    places[place] = places[place - 1]
                    place -= 1
                best[place] = value
                places[place] = i
                count = min(count + 1, k)
