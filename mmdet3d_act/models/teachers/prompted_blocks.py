"""Transformer blocks whose prompts act as keys and values only.

What a block makes of its prompts is thrown away where other prompts replace
them before the next block. Then the block needs queries, MLP and residual for
the other tokens only: the same result for about half of the work.

Letters: B batch, G tokens, P prompts, D width, H heads.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet3d_act.models.layers.transformer import attend

PromptedBlock = Callable[[nn.Module, Tensor, Tensor | None], Tensor]


def prompted_block(block: nn.Module) -> PromptedBlock | None:
    """Return how to run a block with prompts as keys and values only.

    Args:
        block: A block of a pretrained Transformer.

    Returns:
        A function of the block, tokens (B, G, D) and prompts, (B or 1, P, D)
        or None, that returns the tokens after the block, (B, G, D): equal to
        those of ``block(cat([prompts, tokens]))``. None where the kind of
        block is not known.
    """
    name = _path_of(block)
    if name == 'timm.models.vision_transformer.Block':
        attn = block.attn
        plain = _path_of(attn) in (
            'timm.layers.attention.Attention',
            'timm.models.vision_transformer.Attention',
        )
        if plain and getattr(attn, 'gate', None) is None:
            return run_timm_block
    if name == 'transformers.models.bert.modeling_bert.BertLayer':
        attn = block.attention.self
        kind = getattr(attn, 'position_embedding_type', 'absolute')
        if kind in (None, 'absolute') and not block.is_decoder:
            return run_bert_layer
    return None


def library_block(block: nn.Module, x: Tensor) -> Tensor:
    """Return what the library's own block makes of (B, L, D)."""
    result = block(x)
    # BERT's layers return a tuple in some versions of transformers.
    return result[0] if isinstance(result, tuple) else result


def run_block(block: nn.Module, x: Tensor) -> Tensor:
    """Return what a block makes of (B, L, D), the fast way where known."""
    fast = prompted_block(block)
    return library_block(block, x) if fast is None else fast(block, x, None)


def run_timm_block(
    block: nn.Module, tokens: Tensor, prompts: Tensor | None
) -> Tensor:
    """Run timm's ``vision_transformer.Block``; see :func:`prompted_block`."""
    attended = _timm_attention(
        block.attn,
        block.norm1(tokens),
        None if prompts is None else block.norm1(prompts),
    )
    tokens = tokens + block.drop_path1(block.ls1(attended))
    updated = block.ls2(block.mlp(block.norm2(tokens)))
    return tokens + block.drop_path2(updated)


def _timm_attention(
    attn: nn.Module, tokens: Tensor, prompts: Tensor | None
) -> Tensor:
    heads = attn.num_heads
    query, key, value = (
        _split_heads(part, heads) for part in attn.qkv(tokens).chunk(3, -1)
    )
    if prompts is not None:
        width = attn.qkv.out_features // 3
        bias = None if attn.qkv.bias is None else attn.qkv.bias[width:]
        both = F.linear(prompts, attn.qkv.weight[width:], bias)
        added = [_split_heads(part, heads) for part in both.chunk(2, -1)]
        key, value = _prepend(added[0], key), _prepend(added[1], value)
    attended = attend(
        attn.q_norm(query),
        attn.k_norm(key),
        value,
        dropout_p=attn.attn_drop.p if attn.training else 0.0,
    )
    joined = attended.transpose(1, 2).flatten(2)
    if hasattr(attn, 'norm'):
        joined = attn.norm(joined)
    return attn.proj_drop(attn.proj(joined))


def run_bert_layer(
    block: nn.Module, tokens: Tensor, prompts: Tensor | None
) -> Tensor:
    """Run transformers' ``BertLayer``; see :func:`prompted_block`."""
    attn = block.attention.self
    heads = attn.num_attention_heads
    query, key, value = (
        _split_heads(linear(tokens), heads)
        for linear in (attn.query, attn.key, attn.value)
    )
    if prompts is not None:
        key = _prepend(_split_heads(attn.key(prompts), heads), key)
        value = _prepend(_split_heads(attn.value(prompts), heads), value)
    attended = attend(
        query,
        key,
        value,
        dropout_p=attn.dropout.p if attn.training else 0.0,
    )
    joined = attended.transpose(1, 2).flatten(2)
    return block.feed_forward_chunk(block.attention.output(joined, tokens))


def _path_of(module: nn.Module) -> str:
    """Return the full name of a module's class, exactly this class."""
    return f'{type(module).__module__}.{type(module).__qualname__}'


def _split_heads(x: Tensor, heads: int) -> Tensor:
    """Return (B, L, D) as (B, H, L, D/H)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _prepend(prompts: Tensor, tokens: Tensor) -> Tensor:
    """Join (B or 1, H, P, d) and (B, H, G, d) along the sequence."""
    prompts = prompts.expand(len(tokens), -1, -1, -1)
    return torch.cat([prompts, tokens], dim=2)
