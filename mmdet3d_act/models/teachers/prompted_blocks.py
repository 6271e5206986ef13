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
    """Find how to run a block with prompts as keys and values only.

    Returns:
        A function of the block, tokens (B, G, D) and prompts, (B or 1, P, D)
        or None, that returns the tokens after the block, (B, G, D): equal to
        those of ``block(cat([prompts, tokens]))``. None where the kind of
        block is not known.
    """
    name = _path_of(block)
    run = _IMAGE_BLOCKS.get(name)
    if run is not None and _is_plain_attention(block.attn):
        return run
    if name == 'transformers.models.bert.modeling_bert.BertLayer':
        attn = block.attention.self
        kind = getattr(attn, 'position_embedding_type', 'absolute')
        if kind in (None, 'absolute') and not block.is_decoder:
            return run_bert_layer
    return None


def library_block(block: nn.Module, x: Tensor) -> Tensor:
    """Run the library's own block on (B, L, D)."""
    result = block(x)
    # BERT's layers return a tuple in some versions of transformers.
    return result[0] if isinstance(result, tuple) else result


def run_timm_block(
    block: nn.Module, tokens: Tensor, prompts: Tensor | None
) -> Tensor:
    """Run timm's ``vision_transformer.Block``; see :func:`prompted_block`."""
    attended = _attention(block.attn, block.norm1, tokens, prompts)
    tokens = tokens + block.drop_path1(block.ls1(attended))
    updated = block.ls2(block.mlp(block.norm2(tokens)))
    return tokens + block.drop_path2(updated)


def run_clip_block(
    block: nn.Module, tokens: Tensor, prompts: Tensor | None
) -> Tensor:
    """Run open_clip's blocks; see :func:`prompted_block`."""
    attended = _attention(block.attn, block.ln_1, tokens, prompts)
    tokens = tokens + block.ls_1(attended)
    return tokens + block.ls_2(block.mlp(block.ln_2(tokens)))


_VIT = 'timm.models.vision_transformer.'
# Which function runs which block, by the full name of its class.
_IMAGE_BLOCKS: dict[str, PromptedBlock] = {
    f'{_VIT}Block': run_timm_block,
    'open_clip.transformer.ResidualAttentionBlock': run_clip_block,
}
# Attentions that _attention() computes, and what each must not have.
_ATTENTIONS = {
    'timm.layers.attention.Attention': ('gate',),
    f'{_VIT}Attention': (),
    'torch.nn.modules.activation.MultiheadAttention': ('bias_k', 'bias_v'),
}


def _is_plain_attention(attn: nn.Module) -> bool:
    """Tell whether :func:`_attention` computes what ``attn`` does."""
    unwanted = _ATTENTIONS.get(_path_of(attn))
    if unwanted is None:
        return False
    if isinstance(attn, nn.MultiheadAttention) and (
        attn.in_proj_weight is None or attn.add_zero_attn
    ):
        return False
    return all(getattr(attn, name, None) is None for name in unwanted)


def _attention(
    attn: nn.Module,
    norm: nn.Module,
    tokens: Tensor,
    prompts: Tensor | None,
) -> Tensor:
    """Attend, and apply the output projection.

    Args:
        attn: An attention of ``_ATTENTIONS``.
        norm: Applied before it.
        tokens: (B, G, D).
        prompts: Further keys and values, (B or 1, P, D), or None.
    """
    tokens = norm(tokens)
    query, key, value = _project(attn, tokens, 0)
    if prompts is not None:
        added = _project(attn, norm(prompts), 1)
        key, value = _prepend(added[0], key), _prepend(added[1], value)
    attended = attend(
        _part(attn, 'q_norm')(query),
        _part(attn, 'k_norm')(key),
        value,
        dropout_p=_attention_dropout(attn),
    )
    joined = _part(attn, 'norm')(attended.transpose(1, 2).flatten(2))
    if isinstance(attn, nn.MultiheadAttention):
        return attn.out_proj(joined)
    return attn.proj_drop(attn.proj(joined))


def _project(attn: nn.Module, x: Tensor, first: int) -> list[Tensor]:
    """Return query, key and value, (B, H, L, D/H) each, from the first on."""
    if isinstance(attn, nn.MultiheadAttention):
        weight, bias = attn.in_proj_weight, attn.in_proj_bias
    else:
        weight, bias = attn.qkv.weight, attn.qkv.bias
    start = first * (len(weight) // 3)
    bias = None if bias is None else bias[start:]
    parts = F.linear(x, weight[start:], bias).chunk(3 - first, -1)
    return [_split_heads(part, attn.num_heads) for part in parts]


def _part(attn: nn.Module, name: str) -> nn.Module:
    """Return a part that not every attention has."""
    found = getattr(attn, name, None)
    return nn.Identity() if found is None else found


def _attention_dropout(attn: nn.Module) -> float:
    if not attn.training:
        return 0.0
    if isinstance(attn, nn.MultiheadAttention):
        return attn.dropout
    return attn.attn_drop.p


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
