from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from mmdet3d_act.models.teachers import vit_encoder as module
from mmdet3d_act.models.teachers.vit_encoder import take_encoder

TINY = {'embed_dim': 16, 'depth': 2, 'num_heads': 2}


def network(name: str, **args) -> nn.Module:
    torch.manual_seed(0)
    made = timm.create_model(name, **{**TINY, **args})
    for value in made.parameters():
        nn.init.normal_(value, std=0.3)
    return made.eval()


def test_what_is_taken() -> None:
    made = network('vit_base_patch16_clip_224', img_size=32)
    taken = take_encoder(made, 'clip', num_layers=1)
    assert list(taken.encoder.blocks) == [made.blocks[0]]
    assert taken.encoder.norm is made.norm
    assert taken.encoder.pre_norm is made.norm_pre
    assert taken.embed_dims == 16
    assert taken.names.norm == ['norm.', 'fc_norm.']
    with pytest.raises(ValueError, match='within 1 and 2, the blocks of clip'):
        take_encoder(made, 'clip', num_layers=3)


@pytest.mark.parametrize(
    ('name', 'norm'),
    [
        ('vit_base_patch16_224', 'norm'),
        ('vit_base_patch16_reg4_gap_256', 'fc_norm'),
        ('vit_base_patch16_radio_v3', None),
        ('beit_base_patch16_224', 'fc_norm'),
    ],
)
def test_final_norm(name: str, norm: str | None) -> None:
    made = network(name, img_size=32)
    got = take_encoder(made, name).encoder.norm
    assert got is (None if norm is None else getattr(made, norm))


@pytest.mark.parametrize(
    'name',
    [
        'beit_base_patch16_224',
        'beitv2_base_patch16_224',
        'vit_relpos_base_patch16_cls_224',
        'vit_relpos_base_patch16_rpn_224',
    ],
)
def test_tables_are_left_out(name: str) -> None:
    """Without its table a block is the block whose table is zero."""
    made = network(name, img_size=64)
    tables = [
        value for key, value in made.named_parameters() if 'rel_pos' in key
    ] + [v for k, v in made.named_parameters() if 'relative_position' in k]
    assert tables
    for table in tables:
        nn.init.zeros_(table)
    # A grid of 4 x 4, and the class token where the table has one.
    x = torch.randn(2, 16 + made.num_prefix_tokens, 16)
    if 'beit' in name:
        assert x.shape[1] == 17
    before = made.blocks[0](x)
    (block, _) = take_encoder(made, name).encoder.blocks
    torch.testing.assert_close(block(x), before, rtol=1e-5, atol=1e-5)
    assert block(x[:, :3]).shape == (2, 3, 16)
    names = list(block.state_dict())
    assert not [n for n in names if 'rel_pos' in n or 'relative' in n]


@pytest.mark.parametrize(
    'name', ['mixer_s32_224', 'resmlp_12_224', 'gmlp_ti16_224']
)
def test_fixed_length(name: str) -> None:
    with torch.device('meta'):
        made = timm.create_model(name)
    taken = take_encoder(made, name, num_layers=1)
    assert taken.encoder.num_tokens == made.stem.num_patches
    assert module.facts_of(taken).num_tokens == made.stem.num_patches
    assert module.facts_of(taken).num_heads is None
    assert module.fixed_length(nn.Linear(2, 2)) is None


@pytest.mark.parametrize(
    ('name', 'reason'),
    [
        ('resnet10t', 'no `blocks`'),
        ('swin_tiny_patch4_window7_224', 'no `blocks`'),
        ('convit_tiny', 'square grid of patches'),
        ('xcit_nano_12_p16_224', 'height and width'),
        ('hiera_tiny_224', 'windows of an image'),
        ('tnt_s_patch16_224', 'pixels beside the patches'),
        ('samvit_base_patch16', 'windows of an image'),
        ('efficientnet_lite0', 'because of convolutions'),
        ('crossvit_9_240', 'two branches'),
        ('gemma4_vit_167m_enc', 'rotary positions'),
        ('twins_svt_small', 'pool windows'),
    ],
)
def test_refusals(name: str, reason: str) -> None:
    with torch.device('meta'):
        made = timm.create_model(name)
    with pytest.raises(ValueError, match=reason) as error:
        take_encoder(made, name)
    assert str(error.value).startswith(f'{name} cannot be a teacher')


def test_trying_leaves_the_mode_alone() -> None:
    made = network('vit_base_patch16_224', img_size=32).train()
    take_encoder(made, 'vit')
    assert all(block.training for block in made.blocks)


def test_transformer_in_a_wrapper() -> None:
    with torch.device('meta'):
        made = timm.create_model('deepseek_vit_412m')
    taken = take_encoder(made, 'deepseek_vit_412m', num_layers=1)
    assert taken.names.blocks == ['encoder.blocks.']
    state = made.state_dict()
    assert module.fits(taken.encoder, state, taken.names)
    state.pop('encoder.norm.weight')
    assert not module.fits(taken.encoder, state, taken.names)


def test_filling() -> None:
    name = 'vit_base_patch16_reg4_gap_256'
    made = network(name, img_size=32)
    state = {key: value.clone() for key, value in made.state_dict().items()}
    # The same model pooled by its class token calls its norm otherwise.
    for key in ('weight', 'bias'):
        state[f'norm.{key}'] = state.pop(f'fc_norm.{key}') + 1
    taken = take_encoder(network(name, img_size=32), name)
    assert module.fits(taken.encoder, state, taken.names)
    module.fill_encoder(taken.encoder, state, taken.names, 'file.pth')
    assert torch.equal(taken.encoder.norm.bias, state['norm.bias'])
    assert torch.equal(
        taken.encoder.blocks[1].mlp.fc1.weight, made.blocks[1].mlp.fc1.weight
    )
    del state['norm.bias']
    with pytest.raises(ValueError, match=r'file\.pth does not fit LayerNorm'):
        module.fill_encoder(taken.encoder, state, taken.names, 'file.pth')


def test_facts() -> None:
    taken = take_encoder(network('vit_base_patch16_224', img_size=32), 'vit')
    facts = module.facts_of(taken)
    block = 4 * 16 * 16 + 4 * 16 + 8 * 16 * 16 + 5 * 16 + 4 * 16
    assert facts == (16, 2, 2, 2 * block + 32, None)


def test_heads_of_parallel_blocks() -> None:
    made = network('vit_pwee_patch16_reg1_gap_256', img_size=32)
    assert module.facts_of(take_encoder(made, 'vit')).num_heads == 2
