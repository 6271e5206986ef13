"""Dropout of values, and of attention weights, for a CPU.

PyTorch draws a float for each value there; here four are decided by one random
number, so that a probability is rounded to a multiple of 2^-16, by which what
is left is scaled.

For attention PyTorch keeps three arrays of the size of the weights for the
gradient. Here rows that fit into the cache are computed at a time, and a byte
a weight is kept; the rest is computed again. In bfloat16 the weights are
computed in float32, all other products in bfloat16.

Letters: B batch, H heads, L queries, S keys, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from mmdet3d_act.ops import is_plain

# Weights that are computed at once.
CACHED_WEIGHTS = 1 << 19
# Values of 16 random bits.
LEVELS = 1 << 16


class Dropout(nn.Dropout):
    """PyTorch's dropout; on a CPU in a fourth of its time."""

    def forward(self, x: Tensor) -> Tensor:
        """Return values of which some are 0, same shape as ``x``."""
        if not self.training or not 0 < self.p < 1 or not is_plain(x):
            return super().forward(x)
        level = _level_of(self.p)
        keep = torch.empty(x.shape, dtype=torch.int8)
        _draw(keep, level)
        return x * keep.to(x.dtype).mul_(LEVELS / (LEVELS - level))


def attend_with_dropout(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    dropout_p: float,
    seen: Tensor | None = None,
) -> Tensor:
    """Return scaled dot-product attention with dropout, (B, H, L, C/H).

    A query that sees no key gets 0.

    Args:
        query: (B, H, L, C/H).
        key: (B, H, S, C/H).
        value: (B, H, S, C/H).
        dropout_p: Probability of dropping an attention weight, in (0, 1).
        seen: Bool, (B, H, L, S) or what expands to it: which keys a query
            attends to; all where None.
    """
    level = _level_of(dropout_p)
    shape = (*query.shape[:-1], key.shape[-2])
    seen = None if seen is None else seen.expand(shape).flatten(0, 1)
    parts = (x.flatten(0, 1) for x in (query, key, value))
    return _DropoutAttention.apply(*parts, level, seen).view_as(query)


class _DropoutAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        level: int,
        seen: Tensor | None,
    ) -> Tensor:
        shape = (*query.shape[:-1], key.shape[-2])
        keep = torch.empty(shape, dtype=torch.int8, device=query.device)
        out = torch.empty_like(query, memory_format=torch.contiguous_format)
        scale = LEVELS / (LEVELS - level)
        weigh = _Weigher(query, key, seen)
        dropped = weigh.new_block(query.dtype)
        for part, rows in _blocks(shape):
            weights, drawn = weigh(part, rows), keep[part, rows]
            _draw(drawn, level)
            left = _like(weights, dropped)
            torch.mul(weights, drawn, out=left)
            torch.bmm(left, value[part], out=out[part, rows])
        ctx.save_for_backward(query, key, value, keep, out, seen)
        ctx.scale = scale
        return out.mul_(scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, keep, out, seen = ctx.saved_tensors
        weigh = _Weigher(query, key, seen)
        half, slopes = weigh.new_block(query.dtype), weigh.new_block()
        grad = grad * ctx.scale
        # Of each query: the mean of its weights' gradients.
        mean = (grad.to(slopes.dtype) * out).sum(-1, keepdim=True)
        mean /= ctx.scale
        grad_query = torch.empty_like(query)
        # Of keys and values, (B * H, C, S): sums of many parts, so not in
        # half precision; twice as fast as (B * H, S, C).
        sums = slopes.new_zeros(2, *key.transpose(1, 2).shape)
        for part, rows in _blocks(keep.shape):
            weights, kept = weigh(part, rows), keep[part, rows]
            own, block = grad[part, rows], _like(weights, half)
            torch.mul(weights, kept, out=block)
            sums[1, part] += own.transpose(1, 2) @ block
            torch.bmm(own, value[part].transpose(1, 2), out=block)
            slope = _like(weights, slopes)
            torch.mul(block, kept, out=slope)
            slope.sub_(mean[part, rows]).mul_(weights)
            slope = slope.to(query.dtype)
            grad_query[part, rows] = slope @ key[part]
            sums[0, part] += query[part, rows].transpose(1, 2) @ slope
        unit = query.shape[-1] ** -0.5
        sums[0] *= unit
        grad_key, grad_value = sums.transpose(2, 3).to(query.dtype)
        return grad_query.mul_(unit), grad_key, grad_value, None, None


class _Weigher:
    """Computes the attention weights of some queries before dropout.

    In float32 at least, always in the same memory: what is given out holds
    until the next call.

    Args:
        query: (B * H, L, C).
        key: (B * H, S, C).
        seen: Bool, (B * H, L, S), or None.
    """

    def __init__(
        self, query: Tensor, key: Tensor, seen: Tensor | None
    ) -> None:
        kind = torch.promote_types(query.dtype, torch.float32)
        self.query = query.to(kind) * query.shape[-1] ** -0.5
        self.key = key.to(kind).transpose(1, 2)
        self.seen = seen
        self.shape = (*query.shape[:-1], key.shape[-2])
        self.memory = self.new_block()

    def new_block(self, dtype: torch.dtype | None = None) -> Tensor:
        """Return memory for the weights of one part, in one dimension."""
        part, rows = next(_blocks(self.shape))
        own = self.query[part, rows]
        return own.new_empty(own[..., 0].numel() * self.shape[-1], dtype=dtype)

    def __call__(self, part: slice, rows: slice) -> Tensor:
        own = self.query[part, rows]
        count = own[..., 0].numel() * self.shape[-1]
        weights = self.memory[:count].view(*own.shape[:-1], -1)
        torch.bmm(own, self.key[part], out=weights)
        if self.seen is None:
            return torch.softmax(weights, -1, out=weights)
        hidden = ~self.seen[part, rows]
        weights.masked_fill_(hidden, torch.finfo(weights.dtype).min)
        torch.softmax(weights, -1, out=weights)
        # All weights of a query that sees nothing are alike.
        return weights.masked_fill_(hidden, 0)


def _like(block: Tensor, memory: Tensor) -> Tensor:
    """Return the beginning of memory in the shape of a block."""
    return memory[: block.numel()].view_as(block)


def _blocks(shape: Sequence[int]) -> Iterator[tuple[slice, slice]]:
    """Yield which heads and which queries are computed at once.

    The first are as many as any.

    Args:
        shape: (B * H, L, S).
    """
    heads, length, size = shape
    step = max(1, min(length, CACHED_WEIGHTS // size))
    together = max(1, CACHED_WEIGHTS // (length * size))
    for first in range(0, heads, together):
        for start in range(0, length, step):
            yield slice(first, first + together), slice(start, start + step)


def _level_of(probability: float) -> int:
    return min(max(round(probability * LEVELS), 0), LEVELS - 1)


def _draw(keep: Tensor, level: int) -> None:
    """Fill with 1 and, as often as ``level`` says, 0.

    Args:
        keep: int8, of any shape.
        level: Probability of 0 times ``LEVELS``.
    """
    count = (keep.numel() + 3) // 4
    bits = torch.empty(count, dtype=torch.int64, device=keep.device)
    bits.random_(-(2**63), None)
    drawn = bits.view(torch.int16)[: keep.numel()].view(keep.shape)
    torch.ge(drawn, level - LEVELS // 2, out=keep)
