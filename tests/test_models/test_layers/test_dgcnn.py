"""Edge convolutions against the form with explicit edge features."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmdet3d_act.models.layers import EdgeConv, PatchDGCNN
from mmdet3d_act.ops import gather_points, knn
from tests.test_models import toys


def naive_edge_conv(
    layer: EdgeConv, x: torch.Tensor, neighbors: torch.Tensor
) -> torch.Tensor:
    own = x.unsqueeze(2).expand(-1, -1, neighbors.shape[2], -1)
    edges = torch.cat([gather_points(x, neighbors) - own, own], dim=-1)
    edges = layer.norm(layer.conv(edges).permute(0, 3, 1, 2))
    return F.leaky_relu(edges, 0.2).amax(dim=-1).transpose(1, 2)


def test_edge_conv_is_the_edge_feature_form() -> None:
    layer = toys.randomize(EdgeConv(6, 8))
    x = torch.randn(2, 8, 6)
    neighbors = torch.randint(8, (2, 8, 4))
    out = layer(x, neighbors)
    assert out.shape == (2, 8, 8)
    toys.assert_close(out, naive_edge_conv(layer, x, neighbors))


def test_edge_conv_by_hand() -> None:
    layer = EdgeConv(1, 1, norm_groups=1)
    with torch.no_grad():
        layer.conv.weight.copy_(torch.tensor([[2.0, 3.0]]))
    layer.norm = torch.nn.Identity()
    x = torch.tensor([[[1.0], [-5.0]]])
    out = layer(x, torch.tensor([[[0, 1], [0, 1]]]))
    # Patch 0: own 3, neighbour 2 * (-6) + 3. Patch 1: neighbour 2 * 6 - 15,
    # own -15; the larger, -3, times the leak of 0.2.
    toys.assert_close(out, torch.tensor([[[3.0], [-0.6]]]))


def test_dgcnn_follows_the_graph_of_the_centres() -> None:
    net = PatchDGCNN(32, 16, channels=(8, 16, 24), num_neighbors=3)
    toys.randomize(net)
    x, centers = torch.randn(2, 8, 32), torch.randn(2, 8, 3)
    neighbors = knn(centers, centers, 3)
    first = naive_edge_conv(net.layers[0], net.proj(x), neighbors)
    second = naive_edge_conv(net.layers[1], first, neighbors)
    fused = net.fuse(torch.cat([first, second], dim=-1))
    expected = F.leaky_relu(net.norm(fused.transpose(1, 2)), 0.2)
    out = net(x, centers)
    assert out.shape == (2, 8, 16)
    toys.assert_close(out, expected.transpose(1, 2), 1e-4)


def test_dgcnn_follows_a_permutation_of_the_patches() -> None:
    net = toys.randomize(PatchDGCNN(32, 16, channels=(8, 16, 16)))
    x, centers = torch.randn(2, 8, 32), torch.randn(2, 8, 3)
    order = torch.tensor([3, 1, 7, 0, 2, 6, 5, 4])
    permuted = net(x[:, order], centers[:, order])
    toys.assert_close(permuted, net(x, centers)[:, order], 1e-4)


def test_dgcnn_published_sizes() -> None:
    net = PatchDGCNN(384, 512)
    shapes = [tuple(layer.conv.weight.shape) for layer in net.layers]
    assert shapes == [(256, 256), (512, 512), (512, 1024), (1024, 1024)]
    assert net.fuse.weight.shape == (512, 2304)
    assert net.num_neighbors == 4


def test_gradient_reaches_every_parameter() -> None:
    net = toys.randomize(PatchDGCNN(32, 16, channels=(8, 16, 16)))
    net(torch.randn(2, 8, 32), torch.randn(2, 8, 3)).square().sum().backward()
    assert toys.without_gradient(net) == []


def test_too_few_patches_are_refused() -> None:
    net = PatchDGCNN(32, 16, channels=(8, 16))
    with pytest.raises(ValueError, match='num_neighbors=4 patches, got 3'):
        net(torch.randn(2, 3, 32), torch.randn(2, 3, 3))
