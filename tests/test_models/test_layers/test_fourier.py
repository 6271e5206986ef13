"""Fourier features of positions in a scene."""

from __future__ import annotations

import torch

from mmdet3d_act.models.layers import FourierPosition


def test_flat_scenes_are_finite() -> None:
    points = torch.rand(1, 5, 3)
    points[..., 2] = 1.5
    out = FourierPosition(8)(points, (points.amin(1), points.amax(1)))
    assert torch.isfinite(out).all()
    single = torch.ones(1, 1, 3)
    out = FourierPosition(8)(single, (single[:, 0], single[:, 0]))
    assert out.flatten().tolist() == [0.0] * 4 + [1.0] * 4


def test_frequencies_are_kept_and_not_trained() -> None:
    embed = FourierPosition(8, scale=0.0)
    assert set(embed.state_dict()) == {'frequencies'}
    assert not list(embed.parameters())
    assert not embed.frequencies.any()
