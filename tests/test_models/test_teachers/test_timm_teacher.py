from __future__ import annotations

import math
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from mmdet3d_act.checkpoint import CheckpointError
from mmdet3d_act.models.teachers import TimmImageEncoder, TimmTeacher
from mmdet3d_act.models.teachers import timm_teacher as module
from mmdet3d_act.models.teachers.timm_teacher import extract_encoder

TINY = {'embed_dim': 16, 'depth': 3, 'num_heads': 2}
NAME = 'vit_tiny_patch16_224'


def teacher(weights=None, **kwargs) -> TimmTeacher:
    settings = {
        'in_channels': 6,
        'out_channels': 6,
        'num_prompts': 2,
        'model_args': TINY,
        **kwargs,
    }
    return TimmTeacher(settings.pop('model_name', NAME), weights, **settings)


def network(name: str = NAME, **args) -> nn.Module:
    torch.manual_seed(0)
    made = timm.create_model(name, **{**TINY, **args})
    for value in made.parameters():
        nn.init.normal_(value, std=0.3)
    return made.eval()


def run(model: TimmTeacher) -> torch.Tensor:
    torch.manual_seed(0)
    return model(torch.rand(2, 4, model.in_channels), torch.rand(2, 4, 3))


def test_published_names_are_known_to_timm() -> None:
    known = set(timm.list_models(pretrained=True))
    assert set(module.PUBLISHED_NAMES.values()) <= known
    source = module.weight_source('mixer_b16_224_miil')
    assert source.hub_id == 'timm/mixer_b16_224.miil_in21k_ft_in1k'
    assert source.names == (
        'mixer_b16_224.miil_in21k_ft_in1k',
        'mixer_b16_224_miil',
        'mixer_b16_224',
    )


@pytest.mark.parametrize(
    'name',
    [
        'vit_tiny_patch16_225',
        f'{NAME}.nobody',
        f'hf-hub:timm/{NAME}',
        'resnet10t',
        'swin_tiny_patch4_window7_224',
        'convit_tiny',
        'hiera_tiny_224',
        'gemma4_vit_167m_enc',
    ],
)
def test_models_that_cannot_be_teachers(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        TimmTeacher.describe(name)


def test_what_is_taken_of_a_model() -> None:
    made = network('vit_base_patch16_clip_224', img_size=32).train()
    encoder = extract_encoder(made, 'clip', num_layers=1)
    assert list(encoder.blocks) == [made.blocks[0]]
    assert encoder.norm is made.norm
    assert encoder.pre_norm is made.norm_pre
    assert encoder.embed_dims == 16
    assert encoder.names['blocks.0.norm1.bias'] == 'blocks.0.norm1.bias'
    assert encoder.names['pre_norm.weight'] == 'norm_pre.weight'
    assert made.blocks[0].training


@pytest.mark.parametrize(
    ('name', 'norm'),
    [
        ('vit_base_patch16_224', 'norm'),
        ('vit_base_patch16_reg4_gap_256', 'fc_norm'),
        ('vit_base_patch16_radio_v3', None),
    ],
)
def test_final_norm(name: str, norm: str | None) -> None:
    made = network(name, img_size=32)
    got = extract_encoder(made, name).norm
    assert got is (None if norm is None else getattr(made, norm))


@pytest.mark.parametrize(
    'name',
    [
        'beit_base_patch16_224',
        'vit_relpos_base_patch16_cls_224',
    ],
)
def test_tables_are_left_out(name: str) -> None:
    """Without its table a block is the block whose table is zero."""
    made = network(name, img_size=64)
    for key, value in made.named_parameters():
        if 'rel_pos' in key or 'relative_position' in key:
            nn.init.zeros_(value)
    # A grid of 4 x 4, and the class token where the table has one.
    x = torch.randn(2, 16 + made.num_prefix_tokens, 16)
    before = made.blocks[0](x)
    block = extract_encoder(made, name).blocks[0]
    torch.testing.assert_close(block(x), before, rtol=1e-5, atol=1e-5)
    assert block(x[:, :3]).shape == (2, 3, 16)
    names = list(block.state_dict())
    assert not [n for n in names if 'rel_pos' in n or 'relative' in n]


FAMILIES = {
    'deit_tiny_distilled_patch16_224': TINY,
    'beit_base_patch16_224': TINY,
    'vit_small_patch14_dinov2': {**TINY, 'img_size': 56},
    'vit_small_patch16_dinov3': TINY,
    'eva02_tiny_patch14_224': TINY,
    'mixer_s32_224': {},
    'resmlp_12_224': {},
}


@pytest.mark.parametrize('name', FAMILIES)
def test_families(name: str) -> None:
    """Filled from timm's own state dict; the scales of layers count."""
    args = FAMILIES[name]
    torch.manual_seed(1)
    made = timm.create_model(name, **args)
    for value in made.parameters():
        nn.init.normal_(value, std=0.2)
    model = teacher(
        made.state_dict(),
        model_name=name,
        model_args=args,
        num_layers=2,
        num_prompts=45 if 'mixer' in name else 192,
    ).eval()
    model.init_weights()
    theirs = dict(made.blocks[1].named_parameters())
    for key, value in model.transformer.blocks[1].named_parameters():
        assert torch.equal(value, theirs[key]), key
    before = run(model)
    assert before.isfinite().all()
    scales = [
        value
        for key, value in model.transformer.blocks[0].named_parameters()
        if key in ('gamma_1', 'ls1', 'ls1.gamma')
    ]
    words = ('beit', 'dino', 'resmlp')
    assert bool(scales) == any(word in name for word in words)
    with torch.no_grad():
        for value in scales:
            value.mul_(-3)
    changed = (run(model) - before).abs().max()
    assert (changed > 1e-4) == bool(scales)


@pytest.mark.parametrize(
    ('name', 'old', 'args'),
    [
        (
            'resmlp_12_224',
            {
                'stem.': 'patch_embed.',
                'linear_tokens.': 'attn.',
                'mlp_channels.': 'mlp.',
                '.ls': '.gamma_',
            },
            {},
        ),
        (
            'eva02_base_patch14_224',
            {'mlp.norm': 'mlp.ffn_ln', 'attn.norm': 'attn.inner_attn_ln'},
            {**TINY, 'img_size': 28},
        ),
    ],
)
def test_names_of_the_authors(name: str, old: dict, args: dict) -> None:
    state = timm.create_model(name, **args).state_dict()
    theirs = {}
    for key, value in state.items():
        for new, other in old.items():
            key = key.replace(new, other)
        theirs[key] = value
    assert set(theirs) != set(state)
    got = module.convert_names(theirs, state, name, args)
    assert set(got) == set(state)
    for key, value in got.items():
        assert torch.equal(value.flatten(), state[key].flatten()), key


SMALL = dict(embed_dim=24, depth=2, num_heads=2, img_size=32, patch_size=8)


def encoder_of(checkpoint=None, **settings) -> TimmImageEncoder:
    settings = {'model_name': NAME, 'model_args': SMALL, **settings}
    encoder = TimmImageEncoder(checkpoint=checkpoint, **settings)
    encoder.init_weights()
    return encoder


def images(size: int = 32) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)


def test_whole_model_equals_the_librarys() -> None:
    made = network(num_classes=0, **SMALL)
    encoder = encoder_of({**made.state_dict(), 'head.bias': torch.ones(5)})
    # The statistics of these weights in timm: 0.5 everywhere.
    x = (images().double() / 255 - 0.5).float() / 0.5
    with torch.no_grad():
        tokens = made.forward_features(x)
        torch.testing.assert_close(encoder(images()), made(x))
    torch.testing.assert_close(
        encoder.forward_patches(images()), tokens[:, 1:]
    )
    assert (encoder.image_size, encoder.embed_dims) == (32, 24)
    assert encoder.grid == (4, 4)


@pytest.mark.parametrize(
    ('name', 'width', 'grid'),
    [
        ('resnet10t', 512, (6, 6)),
        ('swin_tiny_patch4_window7_224', 768, (7, 7)),
    ],
)
def test_patches_of_other_kinds(
    name: str, width: int, grid: tuple[int, int]
) -> None:
    encoder = TimmImageEncoder(name, pretrained=False)
    assert (encoder.patch_dims, encoder.grid) == (width, grid)
    batch = images(encoder.image_size)
    patches = encoder.forward_patches(batch)
    assert patches.shape == (2, math.prod(grid), width)
    # Row by row or not, their mean is what the model pools.
    torch.testing.assert_close(patches.mean(dim=1), encoder(batch))


def test_weights_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    made = timm.create_model(module.LITE).eval()
    theirs = {f'_{name}': v for name, v in made.state_dict().items()}
    folder = tmp_path / module.LITE_PACKAGE / 'models'
    folder.mkdir(parents=True)
    torch.save(theirs, folder / module.LITE_FILE)
    (folder.parent / '__init__.py').write_text('raise ImportError')
    monkeypatch.syspath_prepend(tmp_path)
    encoder = TimmImageEncoder(module.LITE)
    encoder.init_weights()
    x = (images(224).float() / 255 - 0.5) / 0.5
    with torch.no_grad():
        expected = made.forward_head(made.forward_features(x), True)
        torch.testing.assert_close(encoder(images(224)), expected)
    # Mapped by their order, only where kinds and numbers agree.
    for wrong in (list(theirs.items())[:-3], sorted(theirs.items())):
        encoder = TimmImageEncoder(module.LITE, dict(wrong))
        with pytest.raises(CheckpointError, match='not those of'):
            encoder.init_weights()
