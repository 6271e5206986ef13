"""FoldingNet: a patch feature becomes points.

Letters: B batch, G patches, K points of a patch, C channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet3d_act.models.layers.folded_norm import linear_norm_relu


class FoldingDecoder(nn.Module):
    """Decodes each patch to K/4 coarse points and to K fine ones.

    An MLP gives the coarse points; each is refined to four by a shared MLP
    that reads the patch feature, a 2 x 2 grid and the coarse point, and gives
    an offset to it. The part of that MLP's first layer that reads the patch
    feature is computed once per patch, which gives the same result.

    Source: Yang et al., FoldingNet, CVPR 2018; Yu et al., Point-BERT,
    CVPR 2022, and its published code.

    Args:
        in_channels: Channels C of a patch.
        group_size: Points K of a patch, a multiple of 4.
        coarse_dims: Width of the MLP of the coarse points.
        fine_dims: Width of the MLP of the offsets.
        grid_radius: Half the grid's side.
    """

    GRID_POINTS = 4

    def __init__(
        self,
        in_channels: int,
        group_size: int,
        coarse_dims: int = 1024,
        fine_dims: int = 512,
        grid_radius: float = 0.05,
    ) -> None:
        super().__init__()
        if group_size % self.GRID_POINTS:
            raise ValueError(
                f'group_size must be a multiple of {self.GRID_POINTS}, got '
                f'{group_size}; every coarse point is refined to '
                f'{self.GRID_POINTS}'
            )
        self.num_coarse = group_size // self.GRID_POINTS
        self.coarse = nn.Sequential(
            nn.Linear(in_channels, coarse_dims),
            nn.ReLU(),
            nn.Linear(coarse_dims, coarse_dims),
            nn.ReLU(),
            nn.Linear(coarse_dims, 3 * self.num_coarse),
        )
        self.fold1 = nn.Linear(in_channels + 5, fine_dims)
        self.norm1 = nn.BatchNorm1d(fine_dims)
        self.fold2 = nn.Linear(fine_dims, fine_dims)
        self.norm2 = nn.BatchNorm1d(fine_dims)
        self.fold3 = nn.Linear(fine_dims, 3)
        side = torch.tensor([-grid_radius, grid_radius])
        grid = torch.stack([side.repeat(2), side.repeat_interleave(2)], dim=1)
        self.register_buffer('grid', grid, persistent=False)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the coarse and the fine points of every patch.

        Args:
            features: (B, G, C).

        Returns:
            Coarse points (B, G, K/4, 3) and fine points (B, G, K, 3),
            relative to the patch centre.
        """
        batch, groups, channels = features.shape
        flat = features.reshape(-1, channels)
        coarse = self.coarse(flat).view(-1, self.num_coarse, 3)
        anchor = coarse.repeat_interleave(self.GRID_POINTS, dim=1)
        grid = self.grid.repeat(self.num_coarse, 1).to(coarse.dtype)
        local = torch.cat(
            [grid.expand(len(flat), -1, -1), anchor], dim=-1
        )  # (B*G, K, 5)
        weight = self.fold1.weight
        shared = F.linear(flat, weight[:, :channels], self.fold1.bias)
        x = linear_norm_relu(local, weight[:, channels:], shared, self.norm1)
        # In place where no gradient needs the values: these arrays are large.
        x = F.relu(self.norm2(self.fold2(x.flatten(0, 1))), inplace=True)
        fine = self.fold3(x).view_as(anchor) + anchor
        return (
            coarse.view(batch, groups, -1, 3),
            fine.view(batch, groups, -1, 3),
        )
