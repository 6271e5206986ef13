"""Tokens that read other tokens.

Letters: B batch, T reading tokens, L tokens that are read, C channels.
"""

from __future__ import annotations

from torch import Tensor, nn

from mmdet3d_act.models.layers.transformer import (
    Attention,
    DropPath,
    FeedForward,
    attend,
    check_heads,
)


class CrossAttention(nn.Module):
    """Multi-head attention with queries from other tokens than the keys.

    Args:
        embed_dims: Width C of both kinds of tokens.
        num_heads: Heads; must divide ``embed_dims``.
        qkv_bias: Whether queries, keys and values have a bias.

    Raises:
        ValueError: If the heads do not divide the width.
    """

    def __init__(
        self, embed_dims: int, num_heads: int, *, qkv_bias: bool = False
    ) -> None:
        super().__init__()
        check_heads(embed_dims, num_heads)
        self.num_heads = num_heads
        self.query = nn.Linear(embed_dims, embed_dims, bias=qkv_bias)
        self.key_value = nn.Linear(embed_dims, 2 * embed_dims, bias=qkv_bias)
        self.proj = nn.Linear(embed_dims, embed_dims)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Update the tokens by attending to the memory, (B, T, C).

        Args:
            x: The reading tokens, (B, T, C).
            context: The tokens that are read, (B, L, C).
        """
        batch, length, channels = x.shape
        query = self.query(x).view(batch, length, self.num_heads, -1)
        pairs = self.key_value(context)
        pairs = pairs.view(batch, context.shape[1], 2, self.num_heads, -1)
        key, value = pairs.permute(2, 0, 3, 1, 4)  # each (B, H, L, C/H)
        x = attend(query.transpose(1, 2), key, value)
        return self.proj(x.transpose(1, 2).reshape(batch, length, channels))


class CrossAttentionBlock(nn.Module):
    """Cross-attention and a feed-forward network, each followed by a norm.

    Every step is added to its input and the sum is normalised, so that the
    block can be applied again and again with the same parameters.

    Source: "3D Point Cloud Pre-training with Knowledge Distillation from 2D
    Images", section 3.2, equations 5 to 7.

    Args:
        embed_dims: Width C.
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the MLP as a multiple of C.
        qkv_bias: Whether queries, keys and values have a bias.
        drop_path: Probability of dropping what a step adds.
        self_attention: Whether the reading tokens attend to each other
            first.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        *,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = False,
        drop_path: float = 0.0,
        self_attention: bool = False,
    ) -> None:
        super().__init__()
        self.self_attn = self.norm0 = None
        if self_attention:
            self.self_attn = Attention(
                embed_dims, num_heads, qkv_bias=qkv_bias
            )
            self.norm0 = nn.LayerNorm(embed_dims)
        self.cross_attn = CrossAttention(
            embed_dims, num_heads, qkv_bias=qkv_bias
        )
        self.norm1 = nn.LayerNorm(embed_dims)
        self.mlp = FeedForward(embed_dims, int(embed_dims * mlp_ratio))
        self.norm2 = nn.LayerNorm(embed_dims)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Return the reading tokens of the next step, (B, T, C).

        Args:
            x: The reading tokens, (B, T, C).
            context: The tokens that are read, (B, L, C).
        """
        if self.self_attn is not None:
            x = self.norm0(self.drop_path(x, self.self_attn, x))
        x = self.norm1(self.drop_path(x, self.cross_attn, x, context))
        return self.norm2(self.drop_path(x, self.mlp, x))
