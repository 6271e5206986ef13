"""Layers of 3DETR's encoder and decoder.

Letters: B batch, L tokens, S tokens that are attended to, Q queries, C
channels, H heads.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet3d_act.models.layers.dropout import Dropout
from mmdet3d_act.models.layers.transformer import attend, check_heads
from mmdet3d_act.text import check_least


class QueryAttention(nn.Module):
    """Attention of queries over other tokens, with dropout of the weights.

    Args:
        embed_dims: Width C.
        num_heads: Heads; must divide ``embed_dims``.
        dropout: Probability of dropping an attention weight.
    """

    def __init__(
        self, embed_dims: int, num_heads: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        check_heads(embed_dims, num_heads)
        self.num_heads = num_heads
        self.dropout = dropout
        self.qkv = nn.Linear(embed_dims, 3 * embed_dims)
        self.proj = nn.Linear(embed_dims, embed_dims)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Return the attended tokens, (B, L, C).

        Args:
            query: (B, L, C).
            key: (B, S, C).
            value: (B, S, C).
            mask: Bool (B, L, S), True = blocked.
        """
        weights, biases = self.qkv.weight.chunk(3), self.qkv.bias.chunk(3)
        queries, keys, values = (
            F.linear(x, weight, bias)
            .unflatten(-1, (self.num_heads, -1))
            .transpose(1, 2)  # (B, H, L, C/H)
            for x, weight, bias in zip(
                (query, key, value), weights, biases, strict=True
            )
        )
        dropout = self.dropout if self.training else 0.0
        seen = None if mask is None else ~mask.unsqueeze(1)
        x = attend(queries, keys, values, dropout_p=dropout, seen=seen)
        return self.proj(x.transpose(1, 2).flatten(2))


class ReLUFeedForward(nn.Module):
    """Two-layer MLP with ReLU and dropout between its layers.

    Args:
        embed_dims: Width C of input and output.
        hidden_dims: Width of the hidden layer.
        dropout: Probability of dropping a hidden value.
    """

    def __init__(
        self, embed_dims: int, hidden_dims: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.fc1 = nn.Linear(embed_dims, hidden_dims)
        self.dropout = Dropout(dropout)
        self.fc2 = nn.Linear(hidden_dims, embed_dims)

    def forward(self, x: Tensor) -> Tensor:
        """Return the transformed tokens, same shape as ``x`` (..., C)."""
        return self.fc2(self.dropout(F.relu(self.fc1(x))))


class ThreeDETREncoderLayer(nn.Module):
    """Pre-norm self-attention and MLP, without positions.

    Source: Misra et al., 3DETR, ICCV 2021, section 3.1.

    Args:
        embed_dims: Width C.
        num_heads: Attention heads.
        feedforward_dims: Hidden width of the MLP.
        dropout: Of attention weights, hidden values and both branches.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        feedforward_dims: int,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dims)
        self.attn = QueryAttention(embed_dims, num_heads, dropout)
        self.norm2 = nn.LayerNorm(embed_dims)
        self.mlp = ReLUFeedForward(embed_dims, feedforward_dims, dropout)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the next layer's tokens, (B, L, C).

        Args:
            x: (B, L, C).
            mask: Bool (B, L, L), True = blocked.
        """
        normed = self.norm1(x)
        x = x + self.dropout(self.attn(normed, normed, normed, mask))
        return x + self.dropout(self.mlp(self.norm2(x)))


class ThreeDETRDecoderLayer(nn.Module):
    """Pre-norm attention among queries, over the scene, and MLP.

    Queries' positions are added to queries and keys, the scene's to its keys
    only; values have none.

    Source: Misra et al., 3DETR, ICCV 2021, section 3.2.

    Args:
        embed_dims: Width C.
        num_heads: Attention heads.
        feedforward_dims: Hidden width of the MLP.
        dropout: Of attention weights, hidden values and all branches.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        feedforward_dims: int,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dims)
        self.self_attn = QueryAttention(embed_dims, num_heads, dropout)
        self.norm2 = nn.LayerNorm(embed_dims)
        self.cross_attn = QueryAttention(embed_dims, num_heads, dropout)
        self.norm3 = nn.LayerNorm(embed_dims)
        self.mlp = ReLUFeedForward(embed_dims, feedforward_dims, dropout)
        self.dropout = Dropout(dropout)

    def forward(
        self, x: Tensor, query_pos: Tensor, scene: Tensor, keys: Tensor
    ) -> Tensor:
        """Return the next layer's queries, (B, Q, C).

        Args:
            x: (B, Q, C).
            query_pos: Positions of the queries, (B, Q, C).
            scene: Features of the scene, (B, S, C).
            keys: These with their positions added, (B, S, C).
        """
        normed = self.norm1(x)
        placed = normed + query_pos
        x = x + self.dropout(self.self_attn(placed, placed, normed))
        placed = self.norm2(x) + query_pos
        x = x + self.dropout(self.cross_attn(placed, keys, scene))
        return x + self.dropout(self.mlp(self.norm3(x)))


class ThreeDETRDecoder(nn.Module):
    """Turns positions of queries into features, one set for every layer.

    The queries begin as zeros, or as they are given; one layer norm is shared
    by the outputs of all layers.

    Args:
        embed_dims: Width C.
        num_layers: Number of layers.
        num_heads: Attention heads.
        feedforward_dims: Hidden width of the MLPs.
        dropout: See :class:`ThreeDETRDecoderLayer`.
    """

    def __init__(
        self,
        embed_dims: int,
        num_layers: int,
        num_heads: int,
        feedforward_dims: int,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        check_least('num_layers', num_layers, 1)
        self.layers = nn.ModuleList(
            ThreeDETRDecoderLayer(
                embed_dims, num_heads, feedforward_dims, dropout
            )
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(embed_dims)
        xavier_matrices(self)

    def forward(
        self,
        query_pos: Tensor,
        scene: Tensor,
        scene_pos: Tensor,
        queries: Tensor | None = None,
    ) -> Tensor:
        """Return the normed output of every layer, (layers, B, Q, C).

        Args:
            query_pos: Positions of the queries, (B, Q, C).
            scene: Features of the scene, (B, S, C).
            scene_pos: Their positions, (B, S, C).
            queries: What the queries begin as, (B, Q, C). None: zeros.
        """
        keys = scene + scene_pos
        x = torch.zeros_like(query_pos) if queries is None else queries
        outputs = []
        for layer in self.layers:
            x = layer(x, query_pos, scene, keys)
            outputs.append(self.norm(x))
        return torch.stack(outputs)


def xavier_matrices(module: nn.Module) -> None:
    """Draw the matrices of a Transformer by Glorot's rule, as 3DETR does.

    The biases of attention become 0.

    Args:
        module: Its parameters are changed in place.
    """
    for parameter in module.parameters():
        if parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter)
    for part in module.modules():
        if isinstance(part, QueryAttention):
            nn.init.zeros_(part.qkv.bias)
            nn.init.zeros_(part.proj.bias)
