"""A batch norm folded into the linear map before it.

Mean and variance of what a linear map gives follow from mean and covariance
of what it reads, so that the norm is a change of the map's weights: there is
one array instead of three for the gradient, and what only counts in the
statistics need not be mapped.

Letters: P patches, K points of a patch, D channels of a point, C channels of
the result.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from mmdet3d_act.models.layers.pooling import (
    CACHED_VALUES,
    linear_max,
    max_pool,
)
from mmdet3d_act.ops import is_plain


class _Moments(torch.autograd.Function):
    """The mean of each patch (P, D), and the covariance of all points."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> tuple[Tensor, Tensor]:
        size, dims = x.shape[1:]
        means = x.mean(1, dtype=torch.promote_types(x.dtype, torch.float32))
        center = means.mean(0)
        covariance = center.new_zeros(dims, dims)
        for part in x.split(max(1, CACHED_VALUES // (size * dims))):
            centered = (part - center).flatten(0, 1)
            covariance.addmm_(centered.t(), centered)
        ctx.save_for_backward(x, center)
        return means, covariance.div_(len(x) * size)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: FunctionCtx, grad_means: Tensor, grad_covariance: Tensor
    ) -> Tensor:
        x, center = ctx.saved_tensors
        slope = grad_covariance + grad_covariance.t()
        slope /= x.shape[0] * x.shape[1]
        shift = grad_means / x.shape[1] - center @ slope
        return (x @ slope.to(x.dtype)).add_(shift.unsqueeze(1))


def _fold(
    x: Tensor, weight: Tensor, offset: Tensor, norm: nn.BatchNorm1d
) -> tuple[Tensor, Tensor]:
    """Return weight and offset of a linear map and the norm after it.

    Args:
        x: What the map reads, (P, K, D).
        weight: (C, D).
        offset: (C,), or one for each patch, (P, C).
        norm: Its statistics are updated in training.
    """
    mean, variance = norm.running_mean, norm.running_var
    with torch.autocast(x.device.type, enabled=False):
        offset = offset.to(mean.dtype)
        if norm.training:
            means, covariance = _Moments.apply(x)
            center = means.mean(0)
            own = offset.view(-1, len(weight))
            mean = own.mean(0)
            own = own - mean
            between = own + 2 * (means - center) @ weight.t()
            variance = ((weight @ covariance) * weight).sum(1)
            variance = (variance + (own * between).mean(0)).clamp_min(0)
            mean = mean + weight @ center
            count = x.shape[0] * x.shape[1]
            with torch.no_grad():
                norm.num_batches_tracked.add_(1)
                unbiased = variance * (count / (count - 1))
                norm.running_mean.lerp_(mean, norm.momentum)
                norm.running_var.lerp_(unbiased, norm.momentum)
        scale = norm.weight * (variance + norm.eps).rsqrt()
        return weight * scale[:, None], (offset - mean) * scale + norm.bias


def _folds(x: Tensor, norm: nn.Module) -> bool:
    """Tell whether a norm is a plain one, in single precision, on a CPU."""
    if type(norm) is not nn.BatchNorm1d or not is_plain(x):
        return False
    known = norm.affine and norm.track_running_stats
    known = known and norm.momentum is not None
    return known and norm.weight.dtype in (torch.float32, torch.float64)


class _LinearRelu(torch.autograd.Function):
    """A linear map and a ReLU of as many points at once as a cache holds."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, x: Tensor, weight: Tensor, offset: Tensor
    ) -> Tensor:
        y = x.new_empty(*x.shape[:2], len(weight))
        ctx.each = offset.dim() == 2
        for part in _parts(y):
            if ctx.each:
                torch.matmul(x[part], weight.t(), out=y[part])
                y[part].add_(offset[part].unsqueeze(1)).relu_()
            else:
                rows = (x[part].flatten(0, 1), weight.t())
                torch.addmm(offset, *rows, out=y[part].flatten(0, 1)).relu_()
        ctx.save_for_backward(x, weight, y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, y = ctx.saved_tensors
        grad_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        # Sums of many parts, so not in half precision.
        kind = torch.promote_types(weight.dtype, torch.float32)
        grad_weight = torch.zeros_like(weight, dtype=kind)
        grad_offset = y.new_empty(len(y), len(weight))
        for part in _parts(y):
            slope = torch.ops.aten.threshold_backward(grad[part], y[part], 0)
            torch.sum(slope, 1, out=grad_offset[part])
            slope = slope.flatten(0, 1)
            grad_weight += slope.t() @ x[part].flatten(0, 1)
            if grad_x is not None:
                torch.matmul(slope, weight, out=grad_x[part].flatten(0, 1))
        if not ctx.each:
            grad_offset = grad_offset.sum(0)
        return grad_x, grad_weight, grad_offset


def _parts(y: Tensor) -> list[slice]:
    step = max(1, CACHED_VALUES // (y.shape[1] * y.shape[2]))
    return [slice(i, i + step) for i in range(0, len(y), step)]


def linear_norm_relu(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    norm: nn.Module,
    rows: Tensor | None = None,
) -> Tensor:
    """Apply a linear map, a batch norm and a ReLU to points, (P, K, C).

    What folding costs in training grows with D, what it saves with C: it is
    for maps to at least four times as many channels.

    Args:
        x: (P, K, D).
        weight: (C, D).
        offset: Added to the map: (C,), or one for each patch, (P, C).
        norm: Its statistics, which are those of all patches, are updated in
            training.
        rows: Patches that the result is wanted of, int64, where not of all;
            then ``offset`` is (P, C).
    """
    folds = 4 * x.shape[-1] <= len(weight) and _folds(x, norm)
    if folds:
        weight, offset = _fold(x, weight, offset, norm)
        if rows is not None:
            x, offset = x.index_select(0, rows), offset.index_select(0, rows)
        if torch.is_autocast_enabled('cpu'):
            kind = torch.get_autocast_dtype('cpu')
            x, weight, offset = (y.to(kind) for y in (x, weight, offset))
        return _LinearRelu.apply(x, weight, offset)
    if offset.dim() == 1:
        y = F.linear(x, weight, offset)
    else:
        y = F.linear(x, weight)
        y += offset.unsqueeze(1).to(y.dtype)
    y = norm(y.flatten(0, 1)).view_as(y)
    # In place where no gradient needs the values: these arrays are large.
    y = F.relu(y, inplace=True)
    return y if rows is None else y.index_select(0, rows)


def linear_norm_max(
    x: Tensor, weight: Tensor, offset: Tensor, norm: nn.Module
) -> Tensor:
    """Apply a linear map, a batch norm and a ReLU, and pool, (P, C).

    Args:
        x: (P, K, D).
        weight: (C, D).
        offset: Added to the map, (C,).
        norm: Its statistics are updated in training.
    """
    if not _folds(x, norm):
        return max_pool(linear_norm_relu(x, weight, offset, norm), dim=1)
    return F.relu(linear_max(x, *_fold(x, weight, offset, norm)))
