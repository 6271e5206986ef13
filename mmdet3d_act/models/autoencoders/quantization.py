"""From code logits to codes, a few clouds at a time where memory is short.

Letters: B batch, G patches, K points of a patch, T codes, C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from mmdet3d_act.models.losses import kl_to_uniform
from mmdet3d_act.ops import is_plain


class Reconstruction(NamedTuple):
    """A batch as the autoencoder reconstructs it.

    Attributes:
        coarse: (B, G, K/4, 3), relative to the patch centre.
        fine: (B, G, K, 3), relative to the patch centre.
        logits: Code logits, (B, G, T); None where ``chunk_size`` is set.
        features: What the decoder read, (B, G, C).
        codes: Index of the most likely code, int64 (B, G).
        divergence: KL divergence of the codes of each cloud, (B,), see
            :func:`~mmdet3d_act.models.losses.kl_to_uniform`.
    """

    coarse: Tensor
    fine: Tensor
    logits: Tensor | None
    features: Tensor
    codes: Tensor
    divergence: Tensor


def with_gumbel_noise(logits: Tensor) -> Tensor:
    """Return logits in float32 with Gumbel noise added.

    Of numbers with 24 random bits, and a code is left out once in 2^24 draws.
    On a CPU this takes a third of the time of ``exponential_``.

    Args:
        logits: Any shape.

    Returns:
        The same shape.
    """
    logits = logits.float()
    drawn = torch.empty_like(logits).uniform_()
    return logits - drawn.log_().neg_().log_()


def draw_codes(logits: Tensor) -> Tensor:
    """Draw a code of every patch by its probability, int64 (B, G).

    The distribution is that of the largest logit with Gumbel noise, of one
    random number a patch instead of one a code. Sums are in float64.

    Args:
        logits: (B, G, T).
    """
    if logits.is_cuda and torch.are_deterministic_algorithms_enabled():
        # Where sums along a row are refused.
        return with_gumbel_noise(logits).argmax(-1)
    chosen = []
    # A CPU's cache holds the sums of one cloud.
    for part in logits.split(1 if is_plain(logits) else len(logits)):
        bounds = part.float().softmax(-1).double()
        bounds.cumsum_(-1)
        total = bounds[..., -1:]
        place = torch.rand_like(total).mul_(total)
        codes = torch.searchsorted(bounds, place, right=True).squeeze(-1)
        chosen.append(codes.clamp_max_(logits.shape[-1] - 1))
    return torch.cat(chosen)


def quantize(
    logits: Tensor,
    codebook: Tensor,
    *,
    hard: bool,
    noise: bool,
    temperature: float = 1.0,
) -> Tensor:
    """Return the codes of logits, in float32.

    Args:
        logits: (B, G, T).
        codebook: (T, C).
        hard: One code each (its gradient that of the soft mixture), or a
            mixture of codes.
        noise: Whether Gumbel noise is added.
        temperature: Of the softmax.

    Returns:
        (B, G, C).
    """
    with torch.autocast(logits.device.type, enabled=False):
        if hard and not torch.is_grad_enabled():
            codes = draw_codes(logits) if noise else logits.argmax(-1)
            return F.embedding(codes, codebook)
        logits = with_gumbel_noise(logits) if noise else logits.float()
        weights = (logits / temperature).softmax(dim=-1)
        if hard:
            one_hot = torch.zeros_like(weights).scatter_(
                -1, weights.argmax(-1, keepdim=True), 1.0
            )
            weights = one_hot - weights.detach() + weights
        return weights @ codebook


def choose_codes(
    logits: Tensor, codebook: Tensor, **settings: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the codes of logits, and how the logits choose.

    Args:
        logits: (B, G, T).
        codebook: (T, C).
        **settings: Of :func:`quantize`.

    Returns:
        Codes (B, G, C); the index of the most likely one, int64 (B, G); the
        divergence of each cloud's codes (B,).
    """
    tokens = quantize(logits, codebook, **settings)
    divergence = kl_to_uniform(logits, reduction='none')
    return tokens, logits.argmax(-1), divergence


def map_clouds(
    function: Callable[[Tensor], tuple[Tensor, ...]],
    batch: Tensor,
    chunk_size: int | None,
) -> tuple[Tensor, ...]:
    """Apply a function to a batch, some clouds at a time.

    What the function keeps for the gradient is thrown away after each part
    and computed again in the backward pass, with the same random numbers. So
    the memory is that of one part, the values and gradients are those of the
    whole batch, and the function runs twice in training.

    Args:
        function: From (b, ...) to tensors (b, ...); it treats the clouds
            independently.
        batch: (B, ...).
        chunk_size: Clouds of a part. None: the whole batch, and nothing is
            computed again.

    Returns:
        Tensors (B, ...).
    """
    if chunk_size is None:
        return function(batch)
    parts = batch.split(chunk_size)
    if torch.is_grad_enabled():
        results = [checkpoint(function, p, use_reentrant=False) for p in parts]
    else:
        results = [function(part) for part in parts]
    return tuple(torch.cat(values) for values in zip(*results, strict=True))
