"""What shows that an autoencoder has collapsed."""

from __future__ import annotations

import math

import pytest
import torch

from mmdet3d_act.models.autoencoders.statistics import (
    code_statistics,
    variance_share,
)


@pytest.mark.parametrize(
    ('codes', 'used', 'perplexity'),
    [
        ([3, 3, 3, 3], 1, 1.0),
        ([0, 1, 2, 3], 4, 4.0),
        ([0, 0, 1, 2], 3, math.exp(1.5 * math.log(2))),
    ],
)
def test_collapse_shows_in_the_codes(
    codes: list[int], used: int, perplexity: float
) -> None:
    statistics = code_statistics(torch.tensor([codes]), num_codes=8)
    assert statistics['codes_used'].item() == used
    assert statistics['perplexity'].item() == pytest.approx(perplexity)


def test_collapse_shows_in_the_variance() -> None:
    same = torch.ones(2, 8, 4)
    assert variance_share(same).item() == pytest.approx(0, abs=1e-6)
    assert variance_share(torch.zeros(2, 8, 4)).item() == 0
    opposite = torch.ones(2, 8, 4)
    opposite[1] = -1
    assert variance_share(opposite).item() == pytest.approx(1)
    # Mean 1, deviation 2: 4 / (4 + 1).
    mixed = torch.tensor([[[3.0], [-1.0]]])
    assert variance_share(mixed).item() == pytest.approx(0.8)
