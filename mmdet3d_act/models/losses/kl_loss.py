"""The loss that keeps all codes of a discrete autoencoder in use."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mmdet3d_act.text import check_choice


def kl_to_uniform(logits: Tensor, *, reduction: str = 'mean') -> Tensor:
    """Compute KL(uniform || mean code posterior) of the clouds.

    The posterior of a cloud is the mean over its patches of softmax(logits),
    at temperature 1. Computed in float32, in the log domain.

    Source: Ramesh et al., Zero-Shot Text-to-Image Generation, ICML 2021;
    direction and averaging as Point-BERT and ACT published them.

    Args:
        logits: (B, G, T).
        reduction: ``'mean'`` over the clouds, or ``'none'``.

    Returns:
        A scalar, or (B,); in [0, inf): 0 where all codes are equally likely.

    Raises:
        ValueError: If ``reduction`` is neither.
    """
    check_choice('reduction', reduction, ('mean', 'none'))
    with torch.autocast(logits.device.type, enabled=False):
        num_groups, num_codes = logits.shape[-2:]
        log_posterior = logits.float().log_softmax(dim=-1)
        log_mean = log_posterior.logsumexp(dim=-2) - math.log(num_groups)
        divergence = (-math.log(num_codes) - log_mean).mean(dim=-1)
        return divergence.mean() if reduction == 'mean' else divergence
