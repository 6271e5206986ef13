"""Cross-attention against PyTorch's own, and its block written out."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmdet3d_act.models.layers import CrossAttention, CrossAttentionBlock
from tests.test_models import toys


def tokens() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(2, 5, 32), torch.randn(2, 7, 32)


def test_agrees_with_pytorch() -> None:
    own = toys.randomize(CrossAttention(32, 4, qkv_bias=True))
    other = nn.MultiheadAttention(32, 4, batch_first=True)
    with torch.no_grad():
        other.in_proj_weight[:32] = own.query.weight
        other.in_proj_weight[32:] = own.key_value.weight
        other.in_proj_bias[:32] = own.query.bias
        other.in_proj_bias[32:] = own.key_value.bias
        other.out_proj.load_state_dict(own.proj.state_dict())
    x, context = tokens()
    expected, _ = other(x, context, context)
    toys.assert_close(own(x, context), expected)


@pytest.mark.parametrize('self_attention', [False, True])
def test_block_written_out(self_attention: bool) -> None:
    block = CrossAttentionBlock(32, 4, self_attention=self_attention)
    block = toys.randomize(block).eval()
    x, context = tokens()
    out = block(x, context)
    if self_attention:
        x = block.norm0(x + block.self_attn(x))
    x = block.norm1(x + block.cross_attn(x, context))
    expected = block.norm2(x + block.mlp.fc2(F.gelu(block.mlp.fc1(x))))
    toys.assert_close(out, expected)
