"""Point patches: grouping a cloud, and embedding each group.

Letters: B batch, N points, G patches, K points of a patch, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet3d_act.models.layers.folded_norm import linear_norm_relu
from mmdet3d_act.models.layers.masking import select
from mmdet3d_act.models.layers.pooling import linear_max
from mmdet3d_act.ops import gather_points, group_points


class PointPatches(NamedTuple):
    """The patches of a batch of clouds.

    Attributes:
        centers: (B, G, 3).
        neighborhoods: (B, G, K, 3+F), coordinates relative to the centre
            first, then the points' features where there are any.
        center_indices: int64 (B, G), the centres' rows among the points.
        neighbor_indices: int64 (B, G, K).
    """

    centers: Tensor
    neighborhoods: Tensor
    center_indices: Tensor
    neighbor_indices: Tensor

    @property
    def geometry(self) -> PointPatches:
        """The same patches without the points' features."""
        return self._replace(neighborhoods=self.neighborhoods[..., :3])


def make_patches(
    points: Tensor,
    num_groups: int,
    group_size: int,
    *,
    skip_origin: bool = False,
    center_indices: Tensor | None = None,
    neighbor_indices: Tensor | None = None,
) -> PointPatches:
    """Group clouds into patches around farthest-point-sampled centres.

    Args:
        points: (B, N, 3+F), coordinates first.
        num_groups: Patches G per cloud.
        group_size: Points K per patch.
        skip_origin: See :func:`~mmdet3d_act.ops.farthest_point_sample`.
        center_indices: Rows of known centres, int64 (B, G); with them and
            ``neighbor_indices`` nothing is searched, which is how patches
            that were found once survive augmentation.
        neighbor_indices: Rows of their neighbours, int64 (B, G, K).

    Returns:
        The patches.

    Raises:
        ValueError: If only one of the two index tensors is given, or their
            sizes are not (G,) and (G, K).
    """
    if (center_indices is None) != (neighbor_indices is None):
        raise ValueError(
            'center_indices and neighbor_indices go together, got only one '
            'of them; give both or neither'
        )
    if center_indices is None:
        groups = group_points(
            points, num_groups, group_size, skip_origin=skip_origin
        )
        neighborhoods = groups.neighborhoods
        if points.shape[-1] > 3:
            features = gather_points(points[..., 3:], groups.neighbor_indices)
            neighborhoods = torch.cat([neighborhoods, features], dim=-1)
        return PointPatches(
            groups.centers,
            neighborhoods,
            groups.center_indices,
            groups.neighbor_indices,
        )
    if neighbor_indices.shape[1:] != (num_groups, group_size):
        raise ValueError(
            f'expected neighbor_indices of {num_groups} patches with '
            f'{group_size} points each, got {tuple(neighbor_indices.shape)}; '
            'give GroupPoints in the pipeline the num_groups and group_size '
            'of the model'
        )
    centers = gather_points(points[..., :3], center_indices)
    neighborhoods = gather_points(points, neighbor_indices)
    offset = F.pad(centers, (0, points.shape[-1] - 3)).unsqueeze(2)
    return PointPatches(
        centers, neighborhoods - offset, center_indices, neighbor_indices
    )


class MiniPointNet(nn.Module):
    """Embeds every patch with two shared MLPs, each max-pooled.

    3 -> 128 -> 256, maximum over the patch, [maximum, own] -> 512 -> C,
    maximum; batch norm and ReLU after the first layer of each MLP. The part
    of the third layer that reads the maximum is computed once per patch
    rather than once per point; the part that reads the points is one map with
    the second layer, from which no norm parts it. The result is the same.

    Source: Yu et al., Point-BERT, CVPR 2022, section 3.1; Qi et al.,
    PointNet, CVPR 2017.

    Args:
        embed_dims: Width C of the embedding.
        in_channels: Channels of a point, 3 for coordinates only.
        channels: Widths of the two layers before the first maximum and of
            the layer after it.
    """

    def __init__(
        self,
        embed_dims: int,
        in_channels: int = 3,
        channels: Sequence[int] = (128, 256, 512),
    ) -> None:
        super().__init__()
        first, pooled, second = channels
        self.conv1 = nn.Linear(in_channels, first)
        self.norm1 = nn.BatchNorm1d(first)
        self.conv2 = nn.Linear(first, pooled)
        self.conv3 = nn.Linear(2 * pooled, second)
        self.norm2 = nn.BatchNorm1d(second)
        self.conv4 = nn.Linear(second, embed_dims)

    @property
    def uses_statistics(self) -> bool:
        """Whether patches count in the statistics of the batch norms."""
        return self.norm1.training or self.norm2.training

    def forward(
        self,
        neighborhoods: Tensor,
        visible: Tensor | None = None,
        num_visible: int | None = None,
    ) -> Tensor:
        """Return the embeddings (B, G, C) of ``neighborhoods``.

        Args:
            neighborhoods: (B, G, K, in_channels).
            visible: Bool (B, G), True for patches whose embeddings are
                wanted, (B, V, C); the others count in the statistics of the
                batch norms only.
            num_visible: V, where it is known, see :func:`select`.
        """
        batch, groups, size, channels = neighborhoods.shape
        x = neighborhoods.reshape(-1, size, channels)
        x = linear_norm_relu(
            x, self.conv1.weight, self.conv1.bias, self.norm1
        )  # (B*G, K, C1)
        pooled = linear_max(x, self.conv2.weight, self.conv2.bias)
        # Published weights read [maximum, own], in this order.
        to_pooled, to_own = self.conv3.weight.split(pooled.shape[-1], dim=1)
        with torch.autocast(x.device.type, enabled=False):
            weight = to_own @ self.conv2.weight
            bias = self.conv3.bias + to_own @ self.conv2.bias
        rows = None
        if visible is not None:
            rows = torch.arange(len(x), device=x.device).view(batch, groups)
            rows = select(rows, visible, num_visible).flatten()
        offset = F.linear(pooled, to_pooled, bias)
        x = linear_norm_relu(x, weight, offset, self.norm2, rows)
        x = linear_max(x, self.conv4.weight, self.conv4.bias)
        return x.view(batch, -1, x.shape[-1])


def patches_in_place(centers: Tensor, local: Tensor) -> Tensor:
    """Move local patch points to their centres.

    Args:
        centers: (B, G, 3).
        local: (B, G, K, 3), relative to the centre.

    Returns:
        (B, G*K, 3).
    """
    return torch.flatten(local + centers.unsqueeze(2), 1, 2)
