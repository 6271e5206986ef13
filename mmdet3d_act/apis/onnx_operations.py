"""Point operations written in ONNX's own, for `apis.exporting`.

Each gives the indices of ours, ties included: farthest points are sought in
the order in which the published kernel prefers them, and ONNX's ``TopK`` and
``ArgMax`` take the lower index. Needs onnxscript.

Letters: B clouds, N points, S samples or queries, K neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from onnxscript import FLOAT, INT64, ir, script
from onnxscript import opset18 as op

from mmdet3d_act.ops.sampling import RELEASED_THREADS, candidate_order

# Tensors of a graph that is being written.
Value = Any


@script()
def _squared_distances(
    points: FLOAT[...],  # (B, N, 3)
    queries: FLOAT[...],  # (B, S, 3)
) -> FLOAT[...]:  # (B, S, N)
    # Summed in the order of the axes, so that it is rounded as ours is.
    across = op.Transpose(points, perm=[0, 2, 1])
    x = op.Gather(queries, op.Constant(value_ints=[0]), axis=2)
    y = op.Gather(queries, op.Constant(value_ints=[1]), axis=2)
    z = op.Gather(queries, op.Constant(value_ints=[2]), axis=2)
    x = x - op.Gather(across, op.Constant(value_ints=[0]), axis=1)
    y = y - op.Gather(across, op.Constant(value_ints=[1]), axis=1)
    z = z - op.Gather(across, op.Constant(value_ints=[2]), axis=1)
    return x * x + y * y + z * z


@script()
def _farthest_points(
    points: FLOAT[...],  # (B, N, 3)
    num_samples: INT64,
) -> INT64[...]:  # (B, S)
    x = op.Gather(points, op.Constant(value_int=0), axis=2)
    y = op.Gather(points, op.Constant(value_int=1), axis=2)
    z = op.Gather(points, op.Constant(value_int=2), axis=2)
    # The first maximum of equal values: zeros, (B, 1).
    running = x - x + op.Constant(value_float=1e10)
    last = op.ArgMax(running, axis=1, keepdims=1)
    none, one = op.Constant(value_int=0), op.Constant(value_int=1)
    columns = op.Range(none, num_samples, one)
    # What a loop carries keeps its shape.
    chosen = last + columns
    for i in range(num_samples):
        chosen = op.Where(columns == i, last, chosen)
        dx = x - op.GatherElements(x, last, axis=1)
        dy = y - op.GatherElements(y, last, axis=1)
        dz = z - op.GatherElements(z, last, axis=1)
        running = op.Min(running, dx * dx + dy * dy + dz * dz)
        last = op.ArgMax(running, axis=1, keepdims=1)
    return chosen


def _constant(values: np.ndarray) -> Value:
    return op.Constant(value=ir.tensor(values))


def sample(points: Value, num_samples: int, skip_origin: bool) -> Value:
    """Write ``ops.sampling.sample_checked``.

    Args:
        points: (B, N, 3).
        num_samples: Number of samples S.
        skip_origin: The published origin rule.

    Returns:
        Indices, (B, S).

    Raises:
        NotImplementedError: With ``skip_origin``.
    """
    if skip_origin:
        raise NotImplementedError('skip_origin cannot be exported')
    order = candidate_order(points.shape[1], RELEASED_THREADS).numpy()
    ordered = op.Gather(points, _constant(order), axis=1)
    chosen = _farthest_points(ordered, op.Constant(value_int=num_samples))
    return op.Gather(_constant(order), chosen)


def nearest(points: Value, queries: Value, k: int) -> tuple[Value, Value]:
    """Write ``ops.neighbors.knn_checked``.

    Args:
        points: (B, N, 3).
        queries: (B, S, 3).
        k: Number of neighbours K.

    Returns:
        Indices and squared distances, (B, S, K).
    """
    squared, idx = op.TopK(
        _squared_distances(points, queries),
        op.Constant(value_ints=[k]),
        largest=0,
    )
    return idx, squared


def in_balls(
    points: Value, queries: Value, radius: float, num_samples: int
) -> Value:
    """Write ``ops.neighbors.ball_query``.

    Args:
        points: (B, N, 3).
        queries: (B, S, 3).
        radius: Of the balls.
        num_samples: Indices K of a query, at most N.

    Returns:
        Indices, (B, S, K).
    """
    size = points.shape[1]
    none = _constant(np.array(size))
    limit = _constant(np.square(np.float32(radius)))
    places = op.Where(
        op.Less(_squared_distances(points, queries), limit),
        _constant(np.arange(size)),
        none,
    )
    found, _ = op.TopK(
        places, op.Constant(value_ints=[num_samples]), largest=0
    )
    first = op.Gather(found, op.Constant(value_ints=[0]), axis=2)
    # 0 where there is none at all.
    return op.Where(op.Less(found, none), found, op.Mod(first, none))


TRANSLATIONS = {
    torch.ops.mmdet3d_act.sample_checked.default: sample,
    torch.ops.mmdet3d_act.knn_checked.default: nearest,
    torch.ops.mmdet3d_act.ball_query.default: in_balls,
}
