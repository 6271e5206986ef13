"""Maximum over one dimension, with a fast backward pass.

Letters: P patches, K points of a patch, D channels of a point, C channels of
a patch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
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
        first = torch.arange(len(x), device=x.device) * x.shape[1]
        rows = winners + first[:, None]  # among the points of all patches
        grad_x = grad_weight = None
        if ctx.needs_input_grad[1]:
            # The points of the maxima, weighted by gradients.
            grad_weight = F.embedding_bag(
                rows.t().contiguous(),
                x.flatten(0, 1),
                per_sample_weights=grad.t().contiguous(),
                mode='sum',
            )
        if ctx.needs_input_grad[0]:
            # Channels in the order of the points that they come from.
            order = winners.argsort(dim=1, stable=True)
            rows = rows.gather(1, order).flatten()
            counts = rows.new_zeros(x.shape[0] * x.shape[1])
            counts.scatter_add_(0, rows, torch.ones_like(rows))
            grad_x = F.embedding_bag(
                order.flatten(),
                weight,
                counts.cumsum(0) - counts,
                per_sample_weights=grad.gather(1, order).flatten(),
                mode='sum',
            ).view_as(x)
        return grad_x, grad_weight


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
    single = x.dtype == torch.float32 and not torch.is_autocast_enabled('cpu')
    if not single or not is_plain(x):
        return max_pool(F.linear(x, weight, bias), dim=1)
    return _LinearMax.apply(x.contiguous(), weight) + bias
