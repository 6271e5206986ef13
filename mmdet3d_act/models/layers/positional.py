"""Position embeddings of patch centres."""

from __future__ import annotations

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
