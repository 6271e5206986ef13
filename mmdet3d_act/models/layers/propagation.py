"""From features of patch centres to features of points.

Letters: B batch, N points, G patches, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from mmdet3d_act.ops import three_interpolate


class FeaturePropagation(nn.Module):
    """Interpolates features at points, then embeds them with an MLP.

    A point gets the weighted mean of the features of its three nearest
    centres, with its own coordinates before it; every layer of the MLP has
    batch norm and ReLU. The part of the first layer that reads features is
    applied to the centres before the interpolation: both are linear and the
    weights sum to 1, so the result is the same, for a fraction of the work.

    Source: Qi et al., PointNet++, NeurIPS 2017, section 3.4; as used by
    Point-MAE and ACT.

    Example:
        >>> propagation = FeaturePropagation(12, (16, 8))
        >>> points = torch.rand(2, 50, 3)
        >>> propagation(points, points[:, :5], torch.rand(2, 5, 12)).shape
        torch.Size([2, 50, 8])

    Args:
        in_channels: Width C of the centres' features, without coordinates.
        channels: Widths of the layers.

    Raises:
        ValueError: If there is no layer.
    """

    def __init__(self, in_channels: int, channels: Sequence[int]) -> None:
        super().__init__()
        if not channels:
            raise ValueError(
                'FeaturePropagation needs the width of one layer at least, '
                'got none; give channels such as (1536, 1024)'
            )
        widths = [3 + in_channels, *channels]
        self.in_channels = in_channels
        self.fcs = nn.ModuleList(
            nn.Linear(before, after)
            for before, after in zip(widths[:-1], channels, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(size) for size in channels)

    def forward(
        self, points: Tensor, centers: Tensor, features: Tensor
    ) -> Tensor:
        """Return features of the points, (B, N, channels[-1]).

        Args:
            points: (B, N, 3).
            centers: (B, G, 3), any number: with fewer than three all count.
            features: Of the centres, (B, G, C).
        """
        batch = points.shape[0]
        first = self.fcs[0]
        # Published weights read [coordinates, interpolated], in this order.
        projected = F.linear(features, first.weight[:, 3:])  # (B, G, C1)
        x = three_interpolate(points, centers, projected)
        x = x + F.linear(points, first.weight[:, :3], first.bias)
        x = x.flatten(0, 1)  # (B*N, C1)
        for index, norm in enumerate(self.norms):
            x = F.relu(norm(x if index == 0 else self.fcs[index](x)))
        return x.view(batch, -1, x.shape[-1])
