"""Configs by weights: sizes from shapes, the rest as released."""

from __future__ import annotations

import pytest
import torch

import mmdet3d_act  # noqa: F401 (registers the networks)
from mmdet3d_act.converters import model_configs
from mmdet3d_act.models.autoencoders import DiscreteVAE
from mmdet3d_act.models.backbones import PointTransformer
from tests.test_models import toys


def test_backbone_tells_its_sizes() -> None:
    student = toys.student(patch_dims=16, qkv_bias=True, mlp_ratio=2.0)
    config = model_configs.model_config(
        student.state_dict(), 'backbone', num_groups=9, residual='normed'
    )
    assert config['num_heads'] == 1  # 32 channels, 64 per head
    assert (config['num_groups'], config['residual']) == (9, 'normed')
    assert config['skip_origin'] is True
    built = model_configs.build_network(config)
    assert isinstance(built, PointTransformer)
    built.load_state_dict(student.state_dict())


def test_autoencoder_tells_its_sizes() -> None:
    vae = toys.vae(code_dims=24, decoder_dims=40, group_size=8)
    config = model_configs.model_config(vae.state_dict(), 'autoencoder')
    built = model_configs.build_network(config)
    assert isinstance(built, DiscreteVAE)
    assert built.decoder.num_coarse == 2
    built.load_state_dict(vae.state_dict())


@pytest.mark.parametrize(
    ('names', 'kind', 'model'),
    [
        (['0.attn.qkv.weight'], 'TimmTeacher', 'vit_base_patch16_384'),
        (['0.mlp_tokens.fc1.weight'], 'TimmTeacher', 'mixer_b16_224_in21k'),
        (['0.attn.in_proj_weight'], 'OpenCLIPTeacher', 'ViT-B-16-quickgelu'),
    ],
)
@pytest.mark.parametrize('rows', [None, 1, 12])
def test_teachers(
    names: list[str], kind: str, model: str, rows: int | None
) -> None:
    state = toys.vae().state_dict() | {
        'teacher.proj_in.weight': torch.empty(768, 32),
        'teacher.proj_out.weight': torch.empty(32, 768),
        **{
            f'teacher.encoder.module.blocks.{i}.{name[2:]}': torch.empty(1)
            for i in range(12)
            for name in names
        },
    }
    if rows is not None:
        state['teacher.prompts.tokens'] = torch.empty(rows, 5, 768)
    teacher = model_configs.model_config(state, 'autoencoder')['teacher']
    assert (teacher['type'], teacher['model_name']) == (kind, model)
    assert teacher['pretrained'] is False
    assert teacher['num_prompts'] == (0 if rows is None else 5)
    # What the release does differently is switched on in what it made.
    assert teacher.get('published_gradient_cut', False) == (rows is None)
    if rows is not None:
        assert teacher['prompt_mode'] == ('deep' if rows > 1 else 'shallow')
    if kind == 'OpenCLIPTeacher':
        assert teacher['published_batch_attention'] == (rows == 12)


def test_options_replace_settings() -> None:
    config = {'type': 'A', 'head': {'type': 'B', 'x': 1}}
    model_configs.merge_options(config, {'head.x': 2, 'neck.y': 3, 'z': 4})
    assert config == {
        'type': 'A',
        'head': {'type': 'B', 'x': 2},
        'neck': {'y': 3},
        'z': 4,
    }
    model_configs.merge_options(config, None)


def test_too_incomplete() -> None:
    state = toys.vae().state_dict()
    del state['mixer.fuse.weight']
    with pytest.raises(ValueError, match=r"'mixer.fuse.weight' is missing"):
        model_configs.model_config(state, 'autoencoder')
    with pytest.raises(ValueError, match='only a patch embedding'):
        model_configs.model_config(state, 'backbone')


def test_meta_has_no_values() -> None:
    config = {**toys.STUDENT}
    model = model_configs.build_on_meta(config)
    assert model.norm.weight.is_meta
    with pytest.raises(ValueError, match="no network of the type 'VoteNet'"):
        model_configs.build_network({'type': 'VoteNet'})
