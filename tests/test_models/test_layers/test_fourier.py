"""Fourier features of positions in a scene."""

from __future__ import annotations

import math

import pytest
import torch

from mmdet3d_act.models.layers import FourierPosition


def test_the_formula() -> None:
    embed = FourierPosition(8)
    points = torch.rand(2, 5, 3) * 4 - 1
    low, high = torch.full((2, 3), -1.0), torch.tensor([[3.0, 4, 5]] * 2)
    out = embed(points, (low, high))
    assert out.shape == (2, 5, 8)
    unit = (points[1, 3] + 1) / torch.tensor([4.0, 5, 6])
    for k in range(4):
        angle = sum(
            2 * math.pi * float(unit[axis] * embed.frequencies[axis, k])
            for axis in range(3)
        )
        assert out[1, 3, k] == pytest.approx(math.sin(angle), abs=1e-5)
        assert out[1, 3, 4 + k] == pytest.approx(math.cos(angle), abs=1e-5)


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
