"""3DETR's layers against PyTorch's attention."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mmdet3d_act.models.layers import QueryAttention
from mmdet3d_act.models.layers.threedetr_layers import xavier_matrices

DIMS, HEADS = 16, 4


def twin_of(attention: QueryAttention) -> nn.MultiheadAttention:
    twin = nn.MultiheadAttention(DIMS, HEADS, batch_first=True)
    with torch.no_grad():
        twin.in_proj_weight.copy_(attention.qkv.weight)
        twin.in_proj_bias.copy_(attention.qkv.bias)
    twin.out_proj.load_state_dict(attention.proj.state_dict())
    return twin


def inputs(*lengths: int) -> list[Tensor]:
    torch.manual_seed(1)
    return [torch.randn(2, length, DIMS) for length in lengths]


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_blocked_tokens_are_not_seen(dtype: torch.dtype) -> None:
    attention = QueryAttention(DIMS, HEADS).to(dtype)
    query, key, value = (x.to(dtype) for x in inputs(5, 7, 7))
    mask = torch.rand(2, 5, 7) > 0.5
    mask[..., 0] = False
    got = attention(query, key, value, mask)
    twin = twin_of(attention).to(dtype)
    blocked = mask.repeat_interleave(HEADS, 0)
    want, _ = twin(query, key, value, attn_mask=blocked)
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    torch.testing.assert_close(got, want, atol=tolerance, rtol=tolerance)
    only_first = torch.ones(2, 5, 7, dtype=torch.bool)
    only_first[..., 0] = False
    changed = value.clone()
    changed[:, 1:] += 1
    torch.testing.assert_close(
        attention(query, key, value, only_first),
        attention(query, key, changed, only_first),
    )


def test_the_biases_of_attention_begin_at_zero() -> None:
    attention = QueryAttention(DIMS, HEADS)
    for parameter in attention.parameters():
        nn.init.ones_(parameter)
    xavier_matrices(attention)
    assert not attention.qkv.bias.any()
    assert not attention.proj.bias.any()
    limit = (6 / (2 * DIMS)) ** 0.5
    assert 0.9 * limit < attention.proj.weight.max() <= limit
