from __future__ import annotations

import pytest
import torch
from open_clip.transformer import (
    CustomResidualAttentionBlock,
    ResidualAttentionBlock,
)
from timm.models import beit, eva
from timm.models.vision_transformer import (
    Block,
    ParallelScalingBlock,
    ResPostBlock,
)
from torch import nn
from transformers.models.bert.configuration_bert import BertConfig
from transformers.models.bert.modeling_bert import BertLayer

from mmdet3d_act.models.teachers.prompted_blocks import (
    library_block,
    prompted_block,
)

WIDTH = 16


def timm_block(**settings) -> nn.Module:
    return Block(WIDTH, num_heads=4, **settings)


def bert_layer() -> nn.Module:
    sizes = {
        'hidden_size': WIDTH,
        'num_attention_heads': 4,
        'intermediate_size': 24,
    }
    return BertLayer(BertConfig(**sizes, attn_implementation='eager'))


BLOCKS = {
    'plain': lambda: timm_block(qkv_bias=True),
    'no bias': timm_block,
    'norms and scale': lambda: timm_block(
        qk_norm=True, scale_attn_norm=True, init_values=0.3
    ),
    'bert': bert_layer,
    'clip': lambda: ResidualAttentionBlock(WIDTH, 4, ls_init_value=0.3),
}


def randomized(block: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.3)
    return block.eval()


@pytest.mark.parametrize('kind', BLOCKS)
@pytest.mark.parametrize('shared', [False, True])
def test_equals_the_librarys_block(kind: str, shared: bool) -> None:
    block = randomized(BLOCKS[kind]())
    tokens = torch.randn(2, 5, WIDTH, requires_grad=True)
    prompts = torch.randn(1 if shared else 2, 3, WIDTH, requires_grad=True)
    both = torch.cat([prompts.expand(2, -1, -1), tokens], dim=1)
    want = library_block(block, both)[:, 3:]
    got = prompted_block(block)(block, tokens, prompts)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
    inputs = (tokens, prompts)
    want_grads = torch.autograd.grad(want.square().sum(), inputs)
    got_grads = torch.autograd.grad(got.square().sum(), inputs)
    torch.testing.assert_close(got_grads, want_grads, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('kind', BLOCKS)
def test_without_prompts(kind: str) -> None:
    block = randomized(BLOCKS[kind]())
    x = torch.randn(2, 5, WIDTH)
    want = library_block(block, x)
    got = prompted_block(block)(block, x, None)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(want, x, atol=0.1)


@pytest.mark.parametrize('kind', ['bert', 'clip'])
def test_dropout_inside_is_active_in_training_only(kind: str) -> None:
    block = randomized(BLOCKS[kind]())
    if kind == 'clip':
        block.attn.dropout = 0.5
    run, x = prompted_block(block), torch.randn(2, 5, WIDTH)
    assert torch.equal(run(block, x, None), run(block, x, None))
    block.train()
    assert not torch.equal(run(block, x, None), run(block, x, None))


def test_other_blocks_go_their_own_way() -> None:
    class Changed(Block):
        """Computes something else, perhaps."""

    for block in (
        ParallelScalingBlock(WIDTH, num_heads=4),
        ResPostBlock(WIDTH, num_heads=4),
        Changed(WIDTH, num_heads=4),
        CustomResidualAttentionBlock(WIDTH, 4),
        eva.EvaBlock(WIDTH, 4),
        beit.Block(WIDTH, 4),
        nn.Linear(WIDTH, WIDTH),
    ):
        assert prompted_block(block) is None
