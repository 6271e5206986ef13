"""Edge convolutions against the form with explicit edge features."""

from __future__ import annotations

import torch

from mmdet3d_act.models.layers import EdgeConv, PatchDGCNN
from tests.test_models import toys


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


def test_dgcnn_follows_a_permutation_of_the_patches() -> None:
    net = toys.randomize(PatchDGCNN(32, 16, channels=(8, 16, 16)))
    x, centers = torch.randn(2, 8, 32), torch.randn(2, 8, 3)
    order = torch.tensor([3, 1, 7, 0, 2, 6, 5, 4])
    permuted = net(x[:, order], centers[:, order])
    toys.assert_close(permuted, net(x, centers)[:, order], 1e-4)
