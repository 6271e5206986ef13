"""What shows early that an autoencoder has collapsed.

Letters: B batch, G patches, T codes, C channels.
"""

from __future__ import annotations

from torch import Tensor

from mmdet3d_act.models.layers import count_values


def code_statistics(codes: Tensor, num_codes: int) -> dict[str, Tensor]:
    """Measure how many codes a batch uses, and how evenly.

    Args:
        codes: Index of each patch's most likely code, int64 (B, G).
        num_codes: Codes T.

    Returns:
        ``codes_used``: distinct codes; ``perplexity``: 2 to the
        entropy of their frequencies in bits, 1 where a single code is used.
    """
    counts = count_values(codes, num_codes)
    share = counts / counts.sum()
    entropy = -(share * share.clamp_min(1e-12).log()).sum()
    return {
        'codes_used': (counts > 0).sum().float(),
        'perplexity': entropy.exp(),
    }


def variance_share(features: Tensor) -> Tensor:
    """Return the share of energy that is left after removing the mean.

    Args:
        features: (B, G, C).

    Returns:
        A scalar in [0, 1]: 0 where all features are the same.
    """
    flat = features.float().flatten(0, -2)
    energy = flat.square().sum()
    centered = (flat - flat.mean(dim=0)).square().sum()
    return centered / energy.clamp_min(1e-12)
