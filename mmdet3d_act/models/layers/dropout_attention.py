"""Attention with dropout of its weights, for a CPU.

PyTorch has no fused kernel for it there: it draws each mask value as a float
and keeps three arrays of the size of the weights for the gradient. Here rows
that fit into the cache are computed at a time, four mask values come from one
random number, and a byte a weight is kept; the rest is computed again.

Letters: B batch, H heads, L queries, S keys, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

# Weights that are computed at once.
CACHED_WEIGHTS = 1 << 19
# Values of 16 random bits.
LEVELS = 1 << 16


def attend_with_dropout(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    dropout_p: float,
    seen: Tensor | None = None,
) -> Tensor:
    """Return scaled dot-product attention with dropout, (B, H, L, C/H).

    The probability is rounded to a multiple of 2^-16, and the weights that
    are left are scaled by what it is then. A query that sees no key gets 0.

    Args:
        query: (B, H, L, C/H), float32 or float64.
        key: (B, H, S, C/H).
        value: (B, H, S, C/H).
        dropout_p: Probability of dropping an attention weight, in (0, 1).
        seen: Bool, (B, H, L, S) or what expands to it: which keys a query
            attends to; all where None.
    """
    level = min(max(round(dropout_p * LEVELS), 0), LEVELS - 1)
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
        for part, rows in _blocks(keep.shape):
            weights = _weights(query, key, seen, part, rows)
            drawn = keep[part, rows]
            _draw(drawn, level)
            weights.mul_(drawn.to(weights.dtype))
            torch.bmm(weights, value[part], out=out[part, rows])
        ctx.save_for_backward(query, key, value, keep, out, seen)
        ctx.scale = scale
        return out.mul_(scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, keep, out, seen = ctx.saved_tensors
        grads = [torch.zeros_like(x) for x in (query, key, value)]
        grad = grad * ctx.scale
        # Of each query: the mean of its weights' gradients.
        mean = (grad * out).sum(-1, keepdim=True).div_(ctx.scale)
        unit = query.shape[-1] ** -0.5
        for part, rows in _blocks(keep.shape):
            weights = _weights(query, key, seen, part, rows)
            kept = keep[part, rows].to(weights.dtype)
            own = grad[part, rows]
            grads[2][part].baddbmm_((weights * kept).transpose(1, 2), own)
            slope = own @ value[part].transpose(1, 2)
            slope.mul_(kept).sub_(mean[part, rows]).mul_(weights)
            grads[0][part, rows] = (slope @ key[part]).mul_(unit)
            grads[1][part].baddbmm_(
                slope.transpose(1, 2), query[part, rows], alpha=unit
            )
        return *grads, None, None


def _blocks(shape: torch.Size) -> Iterator[tuple[slice, slice]]:
    """Yield which heads and which queries are computed at once.

    Args:
        shape: (B * H, L, S).
    """
    heads, length, size = shape
    step = max(1, min(length, CACHED_WEIGHTS // size))
    together = max(1, CACHED_WEIGHTS // (length * size))
    for first in range(0, heads, together):
        for start in range(0, length, step):
            yield slice(first, first + together), slice(start, start + step)


def _weights(
    query: Tensor,
    key: Tensor,
    seen: Tensor | None,
    part: slice,
    rows: slice,
) -> Tensor:
    """Compute the attention weights of some queries before dropout."""
    own = query[part, rows] * query.shape[-1] ** -0.5
    logits = own @ key[part].transpose(1, 2)
    if seen is not None:
        hidden = ~seen[part, rows]
        logits.masked_fill_(hidden, torch.finfo(logits.dtype).min)
        # All weights of a query that sees nothing are alike.
        return logits.softmax(-1).masked_fill_(hidden, 0)
    return logits.softmax(-1)


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
