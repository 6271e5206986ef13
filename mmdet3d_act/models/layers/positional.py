"""Embeddings of coordinates.

Letters: B batch, N points, G patches, C channels.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PositionMLP(nn.Module):
    """Embeds coordinates with a two-layer MLP.

    Args:
        embed_dims: Width C of the embedding.
        hidden_dims: Width of the hidden layer.
    """

    def __init__(self, embed_dims: int, hidden_dims: int = 128) -> None:
        super().__init__()
        self.fc1 = nn.Linear(3, hidden_dims)
        self.fc2 = nn.Linear(hidden_dims, embed_dims)

    def forward(self, centers: Tensor) -> Tensor:
        """Return the embedding (B, G, C) of ``centers`` (B, G, 3)."""
        return self.fc2(F.gelu(self.fc1(centers)))


class FourierPosition(nn.Module):
    """Embeds coordinates by sines and cosines of random frequencies.

    Coordinates are scaled to [0, 1] by the box of the scene. The frequencies
    are drawn once and kept in the checkpoint.

    Source: Tancik et al., Fourier Features Let Networks Learn High Frequency
    Functions in Low Dimensional Domains, NeurIPS 2020; Misra et al., 3DETR,
    ICCV 2021, section 3.2.

    Args:
        embed_dims: Width C of the embedding; even.
        scale: Standard deviation of the frequencies.

    Raises:
        ValueError: If ``embed_dims`` is odd.
    """

    def __init__(self, embed_dims: int, scale: float = 1.0) -> None:
        super().__init__()
        if embed_dims % 2:
            raise ValueError(
                'embed_dims must be even, half of it sines and half of it '
                f'cosines, got {embed_dims}'
            )
        frequencies = torch.randn(3, embed_dims // 2) * scale
        self.register_buffer('frequencies', frequencies)

    def forward(
        self, points: Tensor, scene_range: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Return the embedding, (B, N, C).

        Args:
            points: Coordinates, (B, N, 3).
            scene_range: Least and largest coordinates of each scene, both
                (B, 3). An axis along which a scene has no extent gives 0.
        """
        low, high = scene_range
        extent = high - low
        extent = torch.where(extent > 0, extent, torch.ones_like(extent))
        unit = (points - low.unsqueeze(1)) / extent.unsqueeze(1)
        # Half precision would blur positions.
        with torch.autocast(points.device.type, enabled=False):
            angles = (unit * (2 * math.pi)) @ self.frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=-1)
