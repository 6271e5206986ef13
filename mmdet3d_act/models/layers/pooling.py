"""Maximum over one dimension, with a fast backward pass.

Letters: P patches, K points of a patch, D channels of a point, C channels of
a patch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from mmdet3d_act.ops import is_plain

# Values that are computed at once and stay in a processor's cache.
CACHED_VALUES = 1 << 19


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, dim: int) -> Tensor:
        pooled = x.amax(dim, keepdim=True)
        ctx.save_for_backward(x, pooled)
        ctx.dim = dim
        return pooled.squeeze(dim)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:
        x, pooled = ctx.saved_tensors
        # Written in x's own type: summing a bool tensor is what makes the
        # backward pass of Tensor.amax slow.
        winners = torch.eq(x, pooled, out=torch.empty_like(x))
        count = winners.sum(ctx.dim, keepdim=True)
        return winners.mul_(grad.unsqueeze(ctx.dim) / count), None


def max_pool(x: Tensor, dim: int) -> Tensor:
    """Return the maximum over one dimension.

    The gradient goes to the largest entry, in equal parts to several equal
    ones: as ``Tensor.amax``, whose backward pass takes five times as long on
    a CPU.

    Args:
        x: Of any shape.
        dim: The dimension that goes.
    """
    if torch.compiler.is_compiling():  # Which fuses the backward pass itself.
        return x.amax(dim)
    return _MaxPool.apply(x, dim)


class _LinearMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor) -> Tensor:
        size, channels = x.shape[1], len(weight)
        learns = any(ctx.needs_input_grad)
        pooled, winners = [], []
        for part in x.split(max(1, CACHED_VALUES // (size * channels))):
            y = F.linear(part, weight)  # (P', K, C)
            largest = y.amax(1, keepdim=True)
            pooled.append(largest.squeeze(1))
            if learns:
                winners.append(_first_equal(y, largest))
        if learns:
            ctx.save_for_backward(x, weight, torch.cat(winners))
        return torch.cat(pooled)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: FunctionCtx, grad: Tensor
    ) -> tuple[Tensor | None, Tensor | None]:
        x, weight, winners = ctx.saved_tensors
        grad_x = grad_weight = None
        if ctx.needs_input_grad[1]:
            grad_weight = _weight_gradient(x, winners, grad)
        if ctx.needs_input_grad[0]:
            grad_x = _point_gradient(x, weight, winners, grad)
        return grad_x, grad_weight


def _weight_gradient(x: Tensor, winners: Tensor, grad: Tensor) -> Tensor:
    """Sum the points of the maxima, weighted by gradients, (C, D).

    Args:
        x: (P, K, D).
        winners: The point of each maximum, int64 (P, C).
        grad: (P, C).
    """
    return F.embedding_bag(
        _rows(winners, x.shape[1]).t().contiguous(),
        x.flatten(0, 1),
        per_sample_weights=grad.t().contiguous(),
        mode='sum',
    )


def _point_gradient(
    x: Tensor, weight: Tensor, winners: Tensor, grad: Tensor
) -> Tensor:
    """Sum the channels that each point is the maximum of, (P, K, D).

    Args:
        x: (P, K, D).
        weight: (C, D).
        winners: The point of each maximum, int64 (P, C).
        grad: (P, C).
    """
    # Channels in the order of the points that they come from.
    order = winners.argsort(dim=1, stable=True)
    points = _rows(winners, x.shape[1]).gather(1, order).flatten()
    counts = points.new_zeros(x.shape[0] * x.shape[1])
    counts.scatter_add_(0, points, torch.ones_like(points))
    return F.embedding_bag(
        order.flatten(),
        weight,
        counts.cumsum(0) - counts,
        per_sample_weights=grad.gather(1, order).flatten(),
        mode='sum',
    ).view_as(x)


def _rows(winners: Tensor, size: int) -> Tensor:
    """Number points (P, C) of patches among those of all patches."""
    last = len(winners) * size
    first = torch.arange(0, last, size, device=winners.device)
    return winners + first[:, None]


def _first_equal(y: Tensor, largest: Tensor) -> Tensor:
    """Find the first point of each maximum, int64 (P, C).

    Several passes over what is in the cache; ``Tensor.max`` takes three times
    as long for its indices.

    Args:
        y: (P, K, C).
        largest: (P, 1, C).
    """
    size = y.shape[1]
    down = torch.arange(size, 0, -1, dtype=torch.float32, device=y.device)
    equal = torch.eq(y, largest, out=torch.empty(y.shape, device=y.device))
    rank = equal.mul_(down[:, None]).amax(1)
    # None is equal where the values are no numbers.
    return (size - rank.clamp_min_(1)).long()


def linear_max(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Apply a linear layer to the points of patches, and pool, (P, C).

    As ``max_pool(F.linear(x, weight, bias), dim=1)``. On a CPU, in float32,
    the layer's result, (P, K, C), is never in memory as a whole, and the
    gradient is computed from the one point of each maximum rather than from
    all, the first of several equal ones: a fourth of the work.

    Args:
        x: (P, K, D).
        weight: (C, D).
        bias: (C,).
    """
    if not _is_single(x):
        return max_pool(F.linear(x, weight, bias), dim=1)
    return _LinearMax.apply(x.contiguous(), weight) + bias


def _is_single(x: Tensor) -> bool:
    """Tell whether layers compute in float32, on a CPU, in no graph."""
    amp = torch.is_autocast_enabled('cpu')
    return is_plain(x) and x.dtype == torch.float32 and not amp


class _LinearNormMax(torch.autograd.Function):
    """Linear layer, batch norm, ReLU and maximum.

    The norm and the ReLU rise with what they are applied to (fall, where a
    weight of the norm is negative, whose channel is turned round), so that
    they are applied to the maxima alone. The mean of a linear map is that of
    the mean point. In the gradient of the batch norm the part that all points
    have is linear in them, and needs a (D, D) matrix of their covariance only.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        x: Tensor,
        weight: Tensor,
        gain: Tensor,
        bias: Tensor,
        statistics: tuple[Tensor, Tensor] | None,
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        size, channels = x.shape[1], len(weight)
        sign = torch.where(gain < 0, -1.0, 1.0)
        turned = (weight * sign[:, None]).to(x.dtype)
        middle = x.mean((0, 1), dtype=torch.float32)
        if statistics is None:
            shift = turned.float() @ middle
        else:
            shift = sign * statistics[0]
        maxima, winners = [], []
        squares = torch.zeros(channels, device=x.device)
        for part in x.split(max(1, CACHED_VALUES // (size * channels))):
            y = torch.addmm(-shift.to(x.dtype), part.flatten(0, 1), turned.t())
            y = y.view(-1, size, channels)
            largest = y.amax(1, keepdim=True)
            maxima.append(largest.squeeze(1))
            winners.append(_first_equal(y, largest))
            if statistics is None:
                squares += y.square_().sum((0, 1), dtype=torch.float32)
        if statistics is None:
            variance = squares / (len(x) * size)
        else:
            variance = statistics[1]
        root = (variance + eps).rsqrt()
        unit = torch.cat(maxima).float() * root  # (P, C)
        pooled = torch.addcmul(bias, unit, gain.abs()).relu_().to(x.dtype)
        ctx.save_for_backward(
            x, turned, gain, middle, root, unit, torch.cat(winners), pooled
        )
        ctx.in_training = statistics is None
        mean = shift * sign
        ctx.mark_non_differentiable(mean, variance)
        return pooled, mean, variance

    @staticmethod
    @once_differentiable
    def backward(
        ctx: FunctionCtx, grad: Tensor, *_: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, turned, gain, middle, root, unit, winners, pooled = (
            ctx.saved_tensors
        )
        count = x.shape[0] * x.shape[1]
        grad = (grad * (pooled > 0)).float()
        grad_bias = grad.sum(0)
        slope = (grad * unit).sum(0)
        sign = torch.where(gain < 0, -1.0, 1.0)
        factor = gain.abs() * root
        sparse = (grad * factor).to(x.dtype)
        grad_weight = _weight_gradient(x, winners, sparse).float()
        grad_x = _point_gradient(x, turned, winners, sparse)
        if ctx.in_training:
            wide = turned.float()
            offset = factor * grad_bias / count
            steep = factor * root * slope / count
            mixing = (wide.t() * steep) @ wide  # (D, D)
            constant = (offset @ wide).to(x.dtype)
            covariance = torch.zeros_like(mixing)
            step = max(1, CACHED_VALUES // (x.shape[1] * x.shape[2]))
            for part, own in zip(
                x.split(step), grad_x.split(step), strict=True
            ):
                centered = (part - middle.to(x.dtype)).flatten(0, 1)
                covariance += centered.t() @ centered
                own = own.flatten(0, 1)
                own.addmm_(centered, mixing.to(x.dtype), alpha=-1)
                own.sub_(constant)
            grad_weight -= offset[:, None] * (middle * count)
            grad_weight -= steep[:, None] * (wide @ covariance)
        return (
            grad_x,
            (grad_weight * sign[:, None]).to(x.dtype),
            slope * sign,
            grad_bias,
            None,
            None,
        )


def linear_norm_max(x: Tensor, fc: nn.Linear, norm: nn.BatchNorm1d) -> Tensor:
    """Linear layer without bias, batch norm, ReLU and maximum, (P, C).

    On a CPU, in float32, the linear layer's result, (P, K, C), is never in
    memory as a whole, neither are those of the norm and the ReLU.

    Args:
        x: (P, K, D).
        fc: From D to C channels.
        norm: Its statistics are updated in training.
    """
    plain = type(norm) is nn.BatchNorm1d and norm.track_running_stats
    plain = plain and norm.momentum is not None
    if not plain or not _is_single(x):
        y = F.relu(norm(fc(x.flatten(0, 1))))
        return max_pool(y.view(*x.shape[:2], -1), dim=1)
    known = None if norm.training else (norm.running_mean, norm.running_var)
    pooled, mean, variance = _LinearNormMax.apply(
        x.contiguous(), fc.weight, norm.weight, norm.bias, known, norm.eps
    )
    if norm.training:
        count = x.shape[0] * x.shape[1]
        with torch.no_grad():
            norm.num_batches_tracked.add_(1)
            for running, value in (
                (norm.running_mean, mean),
                (norm.running_var, variance * (count / (count - 1))),
            ):
                running.lerp_(value.to(running.dtype), norm.momentum)
    return pooled
