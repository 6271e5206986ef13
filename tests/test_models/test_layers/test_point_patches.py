"""Grouping a cloud, and the mini-PointNet."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmdet3d_act.models.layers import (
    MiniPointNet,
    make_patches,
    patches_in_place,
)
from mmdet3d_act.ops import farthest_point_sample, gather_points, knn
from tests.test_models import toys


def test_patches_are_neighbours_of_the_centres() -> None:
    points = toys.points()
    patches = make_patches(points, 8, 4)
    rows = farthest_point_sample(points, 8)
    assert torch.equal(patches.center_indices, rows)
    toys.assert_close(patches.centers, gather_points(points, rows))
    neighbors = knn(points, patches.centers, 4)
    assert torch.equal(patches.neighbor_indices, neighbors)
    cloud, group, point = 1, 5, 2
    expected = (
        points[cloud, neighbors[cloud, group, point]]
        - points[cloud, rows[cloud, group]]
    )
    toys.assert_close(patches.neighborhoods[cloud, group, point], expected)


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


def test_both_indices_or_none() -> None:
    index = torch.zeros(2, 8, dtype=torch.long)
    with pytest.raises(ValueError, match='go together, got only one'):
        make_patches(toys.points(), 8, 4, center_indices=index)


def test_known_indices_of_another_size_are_refused() -> None:
    known = make_patches(toys.points(), 8, 6)
    with pytest.raises(ValueError, match=r'8 patches with 4 points.*8, 6\)'):
        make_patches(
            toys.points(),
            8,
            4,
            center_indices=known.center_indices,
            neighbor_indices=known.neighbor_indices,
        )


def test_in_place_undoes_the_centring() -> None:
    points = toys.points()
    patches = make_patches(points, 8, 4)
    placed = patches_in_place(patches.centers, patches.neighborhoods)
    expected = gather_points(points, patches.neighbor_indices)
    toys.assert_close(placed, expected.reshape(2, 32, 3))


def naive_mini_pointnet(net: MiniPointNet, x: torch.Tensor) -> torch.Tensor:
    """The network as the paper draws it: [maximum, own] is concatenated."""
    batch, groups, size, channels = x.shape
    x = x.reshape(batch * groups, size, channels).transpose(1, 2)

    def conv(layer: torch.nn.Linear, value: torch.Tensor) -> torch.Tensor:
        return F.conv1d(value, layer.weight.unsqueeze(-1), layer.bias)

    x = conv(net.conv2, F.relu(net.norm1(conv(net.conv1, x))))
    pooled = x.amax(dim=2, keepdim=True).expand(-1, -1, size)
    x = torch.cat([pooled, x], dim=1)
    x = conv(net.conv4, F.relu(net.norm2(conv(net.conv3, x))))
    return x.amax(dim=2).view(batch, groups, -1)


@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('channels', [3, 6])
def test_mini_pointnet_is_the_concatenated_form(
    training: bool, channels: int
) -> None:
    net = MiniPointNet(32, channels, channels=(8, 16, 24))
    toys.randomize(net).train(training)
    x = torch.randn(2, 8, 4, channels)
    expected = naive_mini_pointnet(net, x)
    out = net(x)
    assert out.shape == (2, 8, 32)
    toys.assert_close(out, expected, 1e-4)


def test_mini_pointnet_ignores_the_order_of_points() -> None:
    net = toys.randomize(MiniPointNet(32, channels=(8, 16, 16))).eval()
    x = torch.randn(2, 8, 4, 3)
    toys.assert_close(net(x[:, :, [2, 0, 3, 1]]), net(x))


def test_mini_pointnet_default_sizes_and_gradients() -> None:
    net = MiniPointNet(384)
    assert net.conv2.weight.shape == (256, 128)
    assert net.conv3.weight.shape == (512, 512)
    small = toys.randomize(MiniPointNet(32, channels=(8, 16, 16)))
    small(torch.randn(2, 8, 4, 3)).square().sum().backward()
    # A bias before a norm in training mode has no effect.
    assert set(toys.without_gradient(small)) <= {'conv1.bias', 'conv3.bias'}
