"""Set abstraction: a feature of every ball around farthest points.

Letters: B batch, N points, G balls, K points of a ball, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmdet3d_act.models.layers.folded_norm import (
    linear_norm_max,
    linear_norm_relu,
)
from mmdet3d_act.ops import ball_query, farthest_point_sample, gather_points


class AbstractedPoints(NamedTuple):
    """What is left of a cloud after set abstraction.

    Attributes:
        centers: (B, G, 3).
        features: (B, G, C).
        indices: int64 (B, G), the centres' rows among the points.
    """

    centers: Tensor
    features: Tensor
    indices: Tensor


class SetAbstraction(nn.Module):
    """Embeds balls around farthest-point-sampled centres.

    The first K points, in index order, nearer to a centre than the radius,
    with coordinates relative to it in units of the radius, pass a shared MLP
    with batch norm and ReLU after every layer and are max-pooled. A ball
    with fewer points repeats its first one.

    Source: Qi et al., PointNet++, NeurIPS 2017, section 3.2; Misra et al.,
    3DETR, ICCV 2021, which divides by the radius.

    Example:
        >>> layer = SetAbstraction(16, radius=0.2, group_size=8)
        >>> layer(torch.rand(2, 100, 3)).features.shape
        torch.Size([2, 16, 256])

    Args:
        num_groups: Balls G per cloud.
        radius: In the units of the points.
        group_size: Points K per ball.
        channels: Widths of the layers; the last is C.
        in_channels: Features of a point beside its coordinates.
        skip_origin: See :func:`~mmdet3d_act.ops.farthest_point_sample`.
    """

    def __init__(
        self,
        num_groups: int,
        radius: float,
        group_size: int,
        *,
        channels: Sequence[int] = (64, 128, 256),
        in_channels: int = 0,
        skip_origin: bool = False,
    ) -> None:
        super().__init__()
        self.num_groups = num_groups
        self.radius = radius
        self.group_size = group_size
        self.in_channels = in_channels
        self.skip_origin = skip_origin
        widths = [3 + in_channels, *channels]
        self.fcs = nn.ModuleList(
            nn.Linear(first, second, bias=False)
            for first, second in pairwise(widths)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for width in channels)
        for fc in self.fcs:
            nn.init.kaiming_normal_(fc.weight)

    def forward(
        self, points: Tensor, features: Tensor | None = None
    ) -> AbstractedPoints:
        """Return centres and features of balls.

        Args:
            points: Coordinates, (B, N, 3).
            features: (B, N, in_channels), where there are any.

        Raises:
            ValueError: If there are fewer points than ``num_groups``, or
                features of another width.
        """
        width = 0 if features is None else features.shape[-1]
        if width != self.in_channels:
            raise ValueError(
                f'expected points with in_channels={self.in_channels} '
                f'features beside their coordinates, got {width}'
            )
        indices = farthest_point_sample(
            points, self.num_groups, skip_origin=self.skip_origin
        )
        centers = gather_points(points, indices)
        members = ball_query(points, centers, self.radius, self.group_size)
        local = gather_points(points, members) - centers.unsqueeze(2)
        x = local / self.radius  # (B, G, K, 3)
        if features is not None:
            x = torch.cat([x, gather_points(features, members)], dim=-1)
        batch, groups = x.shape[:2]
        # Balls are found in single precision, whatever the weights have.
        x = x.flatten(0, 1).to(self.fcs[0].weight.dtype)
        layers = [
            (fc.weight, torch.zeros_like(norm.bias), norm)
            for fc, norm in zip(self.fcs, self.norms, strict=True)
        ]
        for layer in layers[:-1]:
            x = linear_norm_relu(x, *layer)
        x = linear_norm_max(x, *layers[-1])
        return AbstractedPoints(centers, x.view(batch, groups, -1), indices)
