"""Targets that are in the batch: coordinates, and vectors of the data."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.layers import make_patches
from mmdet3d_act.models.target_generators import PatchCoordinates, VectorTarget
from tests.test_models import toys


def test_coordinates_of_the_patches() -> None:
    patches = make_patches(toys.points(channels=6), 8, 4)
    target = PatchCoordinates()({}, patches)
    assert torch.equal(target, patches.neighborhoods[..., :3])


def test_vectors_are_the_target() -> None:
    vectors = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    target = VectorTarget(5)({'vectors': vectors}, None, None)
    assert torch.equal(target, vectors.detach().float())
    assert target.dtype == torch.float32
    assert not target.requires_grad
    assert VectorTarget(1024).target_shape == (1024,)
    assert VectorTarget().target_shape is None
    assert VectorTarget()({'vectors': torch.zeros(1, 7)}).shape == (1, 7)


@pytest.mark.parametrize(
    ('channels', 'inputs', 'offender'),
    [
        (5, {'vectors': torch.zeros(2, 6)}, r'\(B, 5\), got \(2, 6\)'),
        (None, {'vectors': torch.zeros(2, 3, 6)}, r'\(2, 3, 6\)'),
        (5, {'points': None}, 'vectors'),
    ],
)
def test_wrong_batches(channels: int | None, inputs: dict, offender: str):
    with pytest.raises((KeyError, ValueError), match=offender):
        VectorTarget(channels)(inputs)
