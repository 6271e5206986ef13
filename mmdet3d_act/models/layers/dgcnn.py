"""Graph convolutions among the patches of a cloud.

Letters: B batch, G patches, k neighbours of a patch, C channels.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet3d_act.models.layers.pooling import max_pool
from mmdet3d_act.ops import gather_points, knn


class EdgeConv(nn.Module):
    """One edge convolution: [neighbour - own, own] -> linear, norm, maximum.

    The linear map of [n - c, c] is W1 n + (W2 - W1) c, so that it is applied
    once per patch instead of once per edge.

    Source: Wang et al., Dynamic Graph CNN, TOG 2019, equation 8.

    Args:
        in_channels: Channels of a patch.
        out_channels: Channels of the result, a multiple of ``norm_groups``.
        norm_groups: Groups of the group norm.
    """

    def __init__(
        self, in_channels: int, out_channels: int, norm_groups: int = 4
    ) -> None:
        super().__init__()
        self.conv = nn.Linear(2 * in_channels, out_channels, bias=False)
        self.norm = nn.GroupNorm(norm_groups, out_channels)

    def forward(self, x: Tensor, neighbors: Tensor) -> Tensor:
        """Return the new features, (B, G, out).

        Args:
            x: (B, G, in).
            neighbors: Indices of each patch's neighbours, int64 (B, G, k).
        """
        to_neighbor, to_own = self.conv.weight.chunk(2, dim=1)
        edges = gather_points(F.linear(x, to_neighbor), neighbors)
        edges = edges + F.linear(x, to_own - to_neighbor).unsqueeze(2)
        edges = self.norm(edges.permute(0, 3, 1, 2))  # (B, out, G, k)
        edges = F.leaky_relu(edges, 0.2, inplace=True)
        edges = edges.permute(0, 2, 3, 1)
        return max_pool(edges, dim=2)


class PatchDGCNN(nn.Module):
    """Mixes the patches of a cloud along the graph of their centres.

    The graph is that of the centre coordinates (each patch its own first
    neighbour) and the same in all layers; it is never recomputed in feature
    space.

    Source: Yu et al., Point-BERT, CVPR 2022, section 3.1, and its
    published code.

    Args:
        in_channels: Channels of a patch.
        out_channels: Channels of the result.
        channels: Width of the input projection, then of the edge
            convolutions; all are concatenated before the last layer.
        num_neighbors: Neighbours k of a patch, itself included.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        channels: tuple[int, ...] = (128, 256, 512, 512, 1024),
        num_neighbors: int = 4,
    ) -> None:
        super().__init__()
        self.num_neighbors = num_neighbors
        self.proj = nn.Linear(in_channels, channels[0])
        self.layers = nn.ModuleList(
            EdgeConv(before, after) for before, after in pairwise(channels)
        )
        self.fuse = nn.Linear(sum(channels[1:]), out_channels, bias=False)
        self.norm = nn.GroupNorm(4, out_channels)

    def forward(self, x: Tensor, centers: Tensor) -> Tensor:
        """Return the mixed features, (B, G, out).

        Args:
            x: (B, G, in).
            centers: (B, G, 3).

        Raises:
            ValueError: If there are fewer patches than neighbours.
        """
        return self.project(self.mix(x, centers))

    def mix(self, x: Tensor, centers: Tensor) -> Tensor:
        """Concatenate the outputs of all edge convolutions, (B, G, widths).

        Args:
            x: (B, G, in).
            centers: (B, G, 3).

        Raises:
            ValueError: If there are fewer patches than neighbours.
        """
        if centers.shape[1] < self.num_neighbors:
            raise ValueError(
                f'the graph needs at least num_neighbors='
                f'{self.num_neighbors} patches, got {centers.shape[1]}; use '
                'more patches (num_groups)'
            )
        neighbors = knn(centers, centers, self.num_neighbors)
        x = self.proj(x)
        outputs = []
        for layer in self.layers:
            x = layer(x, neighbors)
            outputs.append(x)
        return torch.cat(outputs, dim=-1)

    def project(self, mixed: Tensor) -> Tensor:
        """Return the result of the last layer, (B, G, out).

        Args:
            mixed: From :meth:`mix`.
        """
        # Of images whose channels come last, the norm copies nothing.
        x = self.fuse(mixed).transpose(1, 2).unsqueeze(2)
        x = F.leaky_relu(self.norm(x), 0.2, inplace=True)
        return x.squeeze(2).transpose(1, 2)
