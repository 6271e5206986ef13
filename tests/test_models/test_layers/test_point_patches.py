"""Grouping a cloud, and the mini-PointNet."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.layers import (
    make_patches,
    patches_in_place,
)
from mmdet3d_act.ops import gather_points
from tests.test_models import toys


def test_features_go_along_and_are_not_centred() -> None:
    points = toys.points(channels=5)
    patches = make_patches(points, 8, 4)
    coords = make_patches(points[..., :3], 8, 4)
    assert patches.neighborhoods.shape == (2, 8, 4, 5)
    assert patches.centers.shape == (2, 8, 3)
    toys.assert_close(patches.neighborhoods[..., :3], coords.neighborhoods)
    toys.assert_close(
        patches.neighborhoods[..., 3:],
        gather_points(points[..., 3:], patches.neighbor_indices),
    )


@pytest.mark.parametrize('channels', [3, 5])
def test_known_indices_are_taken_as_they_are(channels: int) -> None:
    points = toys.points(channels=channels)
    searched = make_patches(points, 8, 4)
    moved = points.clone()
    moved[..., :3] *= torch.tensor([3.0, 1.0, 0.1])
    known = make_patches(
        moved,
        8,
        4,
        center_indices=searched.center_indices,
        neighbor_indices=searched.neighbor_indices,
    )
    scale = torch.ones(channels)
    scale[:3] = torch.tensor([3.0, 1.0, 0.1])
    toys.assert_close(known.neighborhoods, searched.neighborhoods * scale)
    toys.assert_close(known.centers, searched.centers * scale[:3])
    assert torch.equal(known.center_indices, searched.center_indices)


def test_in_place_undoes_the_centring() -> None:
    points = toys.points()
    patches = make_patches(points, 8, 4)
    placed = patches_in_place(patches.centers, patches.neighborhoods)
    expected = gather_points(points, patches.neighbor_indices)
    toys.assert_close(placed, expected.reshape(2, 32, 3))
