"""CPU versions of MMCV's point operations, for stock heads without a GPU.

VoteNet's head and PointNet++'s call operations that MMCV (2.0 to 2.2) has for
CUDA only. Importing this module supplies what is missing, once:

    custom_imports = dict(imports=['mmdet3d_act', 'mmdet3d_act.mmcv_cpu'])

Tensors on a GPU go to MMCV's kernels as before; the package itself needs none
of this, `mmdet3d_act.ops` runs on every device.

Letters: B batch, N points, S samples, K of a group, C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import mmcv.ops
from mmcv.ops import points_in_boxes
from mmcv.ops.furthest_point_sample import FurthestPointSampling
from mmdet3d.structures.bbox_3d import base_box3d
from torch import Tensor
from torch.autograd.function import FunctionCtx

from mmdet3d_act import ops


def _ball_query(
    centers: Tensor, points: Tensor, idx: Tensor, **sizes: Any
) -> None:
    """Fill ``idx`` (B, S, K) with the first of points (B, N, 3) in each ball.

    The balls are around centers (B, S, 3).
    """
    if sizes['min_radius'] != 0:
        raise ValueError(
            'on a CPU a ball query has no inner radius, got min_radius='
            f'{sizes["min_radius"]}; set dilated_group=False, or use a GPU'
        )
    idx.copy_(
        ops.ball_query(points, centers, sizes['max_radius'], sizes['nsample'])
    )


def _gather(features: Tensor, idx: Tensor, output: Tensor, **_: int) -> None:
    """Fill ``output`` (B, C, ...) with features (B, C, N) at idx (B, ...)."""
    columns = idx.flatten(1).long().unsqueeze(1)
    taken = features.gather(2, columns.expand(-1, features.shape[1], -1))
    output.copy_(taken.view_as(output))


def _gather_backward(
    grad: Tensor, idx: Tensor, grad_features: Tensor, **_: int
) -> None:
    """Add gradients (B, C, ...) at idx (B, ...) to the features' (B, C, N)."""
    columns = idx.flatten(1).long().unsqueeze(1)
    grad_features.scatter_add_(
        2, columns.expand(-1, grad.shape[1], -1), grad.flatten(2)
    )


def _three_nn(
    query: Tensor, source: Tensor, squared: Tensor, idx: Tensor, **_: int
) -> None:
    """Fill squared distances and idx (B, N, 3) of the three nearest points.

    Of query points (B, N, 3) among source points (B, S, 3).
    """
    if source.shape[1] < 3:
        raise ValueError(
            'three_nn needs three points to choose from, got '
            f'{source.shape[1]}; raise the number of centres'
        )
    found = ops.three_nn(query, source)
    squared.copy_(found[0])
    idx.copy_(found[1])


def _three_interpolate(
    features: Tensor, idx: Tensor, weight: Tensor, output: Tensor, **_: int
) -> None:
    """Fill ``output`` (B, C, N) with weighted sums of features (B, C, S).

    Each is of three, at idx (B, N, 3) with weights (B, N, 3).
    """
    gathered = features.new_empty((*features.shape[:2], *idx.shape[1:]))
    _gather(features, idx, gathered)
    output.copy_((gathered * weight.unsqueeze(1)).sum(-1))


def _three_interpolate_backward(
    grad: Tensor, idx: Tensor, weight: Tensor, grad_features: Tensor, **_: int
) -> None:
    """Add gradients (B, C, N) of the sums to those of the features."""
    shares = grad.unsqueeze(-1) * weight.unsqueeze(1)  # (B, C, N, 3)
    _gather_backward(shares, idx, grad_features)


# By their names in MMCV's extension.
KERNELS: dict[str, Callable] = {
    'ball_query_forward': _ball_query,
    'gather_points_forward': _gather,
    'gather_points_backward': _gather_backward,
    'group_points_forward': _gather,
    'group_points_backward': _gather_backward,
    'three_nn_forward': _three_nn,
    'three_interpolate_forward': _three_interpolate,
    'three_interpolate_backward': _three_interpolate_backward,
}


def provide_cpu_kernels() -> None:
    """Supply MMCV's operations on CPU tensors; twice does no harm."""
    for name, kernel in KERNELS.items():
        _provide(points_in_boxes.ext_module, name, kernel)
    _provide(FurthestPointSampling, 'forward', _sample, staticmethod)
    # Modules that hold the function itself; MMCV has it for CPUs by another
    # name.
    on_cpu = points_in_boxes.points_in_boxes_cpu
    for module in (mmcv.ops, points_in_boxes, base_box3d):
        _provide(module, 'points_in_boxes_all', on_cpu)


def _sample(ctx: FunctionCtx, points: Tensor, num_points: int) -> Tensor:
    """Sample farthest points: their rows, (B, S), int32."""
    idx = ops.farthest_point_sample(points, num_points).int()
    ctx.mark_non_differentiable(idx)
    return idx


def _provide(
    owner: object,
    name: str,
    on_cpu: Callable,
    wrap: Callable | None = None,
) -> None:
    """Let a function take ``on_cpu`` where no tensor is on a GPU."""
    original = getattr(owner, name)
    if hasattr(original, 'on_cpu'):
        return

    def choose(*args: Any, **kwargs: Any) -> object:
        given = (*args, *kwargs.values())
        tensors = [one for one in given if isinstance(one, Tensor)]
        on_gpu = any(one.is_cuda for one in tensors)
        return (original if on_gpu else on_cpu)(*args, **kwargs)

    # A compiled function has no attributes that wraps could take along.
    choose = wraps(on_cpu)(choose)
    choose.on_cpu = on_cpu  # type: ignore[attr-defined]
    setattr(owner, name, wrap(choose) if wrap else choose)


provide_cpu_kernels()
