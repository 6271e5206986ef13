"""The attention, block and encoder that every Transformer here is made of.

Letters: B batch, L tokens, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
import torch.utils.checkpoint
from torch import Tensor, nn

from mmdet3d_act.models.layers.dropout import attend_with_dropout
from mmdet3d_act.ops import is_plain
from mmdet3d_act.text import check_choice, check_least

POSITION_MODES = ('before', 'after')
RESIDUAL_MODES = ('input', 'normed')
# Up to this length the attention weights of a batch are small.
SHORT_SEQUENCE = 256


class DropPath(nn.Module):
    """Stochastic depth: drops a residual branch for whole samples.

    Source: Huang et al., Deep Networks with Stochastic Depth, ECCV 2016.

    Args:
        drop_prob: Probability of dropping the branch, in [0, 1).
    """

    def __init__(self, drop_prob: float = 0.0) -> None:
        super().__init__()
        if not 0.0 <= drop_prob < 1.0:
            raise ValueError(
                f'drop_prob must be in [0, 1), got {drop_prob}; use 0 to '
                'switch stochastic depth off'
            )
        self.drop_prob = drop_prob

    def forward(
        self, x: Tensor, branch: Callable[..., Tensor], *inputs: Tensor
    ) -> Tensor:
        """Add a branch to ``x``, in training for random samples only.

        On a CPU the branch is computed for these only.

        Args:
            x: (B, ...).
            branch: What gives (B, ...) of ``inputs``.
            *inputs: Each (B, ...), its samples independent of each other.
        """
        if self.drop_prob == 0.0 or not self.training:
            return x + branch(*inputs)
        keep = 1.0 - self.drop_prob
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        drawn = x.new_empty(shape).bernoulli_(keep)
        if is_plain(x):
            rows = drawn.flatten().nonzero().squeeze(1)
            # With none, parameters would be without a gradient.
            if 0 < len(rows) < len(x):
                kept = (part.index_select(0, rows) for part in inputs)
                added = branch(*kept).to(x.dtype)
                return x.index_add(0, rows, added, alpha=1 / keep)
        return x + branch(*inputs) * drawn.div_(keep)


def check_heads(embed_dims: int, num_heads: int) -> None:
    """Refuse heads that do not divide the width."""
    if embed_dims % num_heads:
        raise ValueError(
            f'embed_dims must be a multiple of num_heads, got {embed_dims} '
            f'and {num_heads}; change one of them'
        )


def init_linears(module: nn.Module) -> None:
    """Draw the weights of all linear layers as ViT does, biases zero."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.trunc_normal_(part.weight, std=0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    dropout_p: float = 0.0,
    seen: Tensor | None = None,
) -> Tensor:
    """Return scaled dot-product attention.

    PyTorch's fused kernel, with two exceptions on a CPU. With gradients in
    reduced precision its backward pass takes about ten times as long as the
    formula written out, which is used for short sequences, and long ones are
    computed in float32. With dropout it has none, see
    :func:`~mmdet3d_act.models.layers.dropout.attend_with_dropout`.

    Args:
        query: (B, H, L, C/H).
        key: (B, H, S, C/H).
        value: (B, H, S, C/H).
        dropout_p: Probability of dropping an attention weight.
        seen: Bool, (B, H, L, S) or what expands to it: which keys a query
            attends to; all where None.

    Returns:
        (B, H, L, C/H), in the type of ``query``.
    """
    if dropout_p > 0 and is_plain(query):
        with torch.autocast('cpu', enabled=False):
            return attend_with_dropout(query, key, value, dropout_p, seen)
    fused = partial(
        F.scaled_dot_product_attention, attn_mask=seen, dropout_p=dropout_p
    )
    reduced = query.dtype in (torch.bfloat16, torch.float16)
    if not reduced or query.is_cuda or not torch.is_grad_enabled():
        return fused(query, key, value)
    with torch.autocast(query.device.type, enabled=False):
        if query.shape[-2] * key.shape[-2] <= SHORT_SEQUENCE**2:
            query = query * query.shape[-1] ** -0.5
            logits = query @ key.transpose(-2, -1)
            if seen is not None:
                logits = logits.masked_fill(~seen, float('-inf'))
            return F.dropout(logits.softmax(dim=-1), dropout_p) @ value
        attended = fused(query.float(), key.float(), value.float())
    return attended.to(query.dtype)


class Attention(nn.Module):
    """Multi-head self-attention.

    Args:
        embed_dims: Width C.
        num_heads: Heads; must divide ``embed_dims``.
        qkv_bias: Whether queries, keys and values have a bias.
    """

    def __init__(
        self, embed_dims: int, num_heads: int, *, qkv_bias: bool = False
    ) -> None:
        super().__init__()
        check_heads(embed_dims, num_heads)
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dims, 3 * embed_dims, bias=qkv_bias)
        self.proj = nn.Linear(embed_dims, embed_dims)

    def forward(self, x: Tensor, last: int = 0) -> Tensor:
        """Return the attended tokens, (B, L, C), of ``x`` (B, L, C).

        Args:
            x: Tokens.
            last: How many tokens at the end are wanted; 0 for all.
        """
        batch, length, channels = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.num_heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (B, H, L, C/H)
        x = attend(query[:, :, -last:], key, value).transpose(1, 2)
        return self.proj(x.reshape(batch, -1, channels))


class FeedForward(nn.Module):
    """Two-layer MLP with GELU.

    Args:
        embed_dims: Width C of input and output.
        hidden_dims: Width of the hidden layer.
    """

    def __init__(self, embed_dims: int, hidden_dims: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(embed_dims, hidden_dims)
        self.fc2 = nn.Linear(hidden_dims, embed_dims)

    def forward(self, x: Tensor) -> Tensor:
        """Return the transformed tokens, same shape as ``x`` (..., C)."""
        return self.fc2(F.gelu(self.fc1(x)))


class TransformerBlock(nn.Module):
    """Pre-norm Transformer block.

    Source: Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021,
    equations 2 and 3.

    Args:
        embed_dims: Width C.
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the MLP as a multiple of C.
        qkv_bias: Whether queries, keys and values have a bias.
        drop_path: Probability of dropping each residual branch.
        residual: ``'input'`` adds what attention and MLP give to their
            input, ``'normed'`` to their normalised input, as the blocks of
            published ReCon do.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        *,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = False,
        drop_path: float = 0.0,
        residual: str = 'input',
    ) -> None:
        super().__init__()
        check_choice('residual', residual, RESIDUAL_MODES)
        self.residual = residual
        self.norm1 = nn.LayerNorm(embed_dims)
        self.attn = Attention(embed_dims, num_heads, qkv_bias=qkv_bias)
        self.norm2 = nn.LayerNorm(embed_dims)
        self.mlp = FeedForward(embed_dims, int(embed_dims * mlp_ratio))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, last: int = 0) -> Tensor:
        """Return the next layer's tokens, (B, L, C), of ``x`` (B, L, C).

        Args:
            x: Tokens.
            last: How many tokens at the end are wanted; 0 for all.
        """
        normed = self.norm1(x)
        x = normed if self.residual == 'normed' else x
        x = self.drop_path(
            x[:, -last:], lambda tokens: self.attn(tokens, last), normed
        )
        normed = self.norm2(x)
        x = normed if self.residual == 'normed' else x
        return self.drop_path(x, self.mlp, normed)


class TransformerEncoder(nn.ModuleList):
    """A stack of blocks that adds the position embedding at every block.

    Args:
        embed_dims: Width C.
        num_layers: Number of blocks.
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the MLPs as a multiple of C.
        qkv_bias: Whether queries, keys and values have a bias.
        drop_path_rate: Stochastic depth of the last block; it grows linearly
            from 0 at the first one.
        position: ``'before'`` adds the position to the input of every block
            (ACT, Point-MAE), ``'after'`` to the output of every block
            (concept distillation).
        residual: See :class:`TransformerBlock`.
        with_cp: Whether to recompute activations in the backward pass, which
            saves memory and costs time.
    """

    def __init__(
        self,
        embed_dims: int,
        num_layers: int,
        num_heads: int,
        *,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = False,
        drop_path_rate: float = 0.0,
        position: str = 'before',
        residual: str = 'input',
        with_cp: bool = False,
    ) -> None:
        check_choice('position', position, POSITION_MODES)
        check_least('num_layers', num_layers, 1)
        # On the CPU also where modules are built on the meta device.
        rates = torch.linspace(0, drop_path_rate, num_layers, device='cpu')
        super().__init__(
            TransformerBlock(
                embed_dims,
                num_heads,
                mlp_ratio=mlp_ratio,
                qkv_bias=qkv_bias,
                drop_path=rate,
                residual=residual,
            )
            for rate in rates.tolist()
        )
        self.position = position
        self.with_cp = with_cp

    def forward(
        self,
        x: Tensor,
        pos: Tensor,
        out_indices: Sequence[int] = (),
        last: int = 0,
    ) -> tuple[Tensor, dict[int, Tensor]]:
        """Run all blocks.

        Args:
            x: Tokens, (B, L, C).
            pos: Their position embeddings, (B, L, C).
            out_indices: Blocks whose output is wanted, counted from 0.
            last: How many tokens at the end are wanted; 0 for all.

        Returns:
            The last block's output, (B, L, C), and the wanted outputs by the
            index of their block, each (B, L, C), not normalised.
        """
        hidden = {}
        for index, block in enumerate(self):
            final = index + 1 == len(self)
            x = self._run(block, x, pos, last if final else 0)
            if index in out_indices:
                hidden[index] = x
        return x, hidden

    def _run(
        self, block: nn.Module, x: Tensor, pos: Tensor, last: int
    ) -> Tensor:
        if self.position == 'before':
            x = x + pos
        if self.with_cp and self.training and x.requires_grad:
            x = torch.utils.checkpoint.checkpoint(
                block, x, last, use_reentrant=False
            )
        else:
            x = block(x, last)
        return x + pos[:, -last:] if self.position == 'after' else x
