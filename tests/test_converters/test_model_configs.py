"""Configs by weights: sizes from shapes, the rest as released."""

from __future__ import annotations

import pytest
import torch

import mmdet3d_act  # noqa: F401 (registers the networks)
from mmdet3d_act.converters import (
    model_configs,
    plan_conversion,
    write_checkpoint,
)
from mmdet3d_act.converters.model_configs import (
    build_network,
    encoder_config,
)
from mmdet3d_act.models.autoencoders import DiscreteVAE
from mmdet3d_act.models.backbones import PointTransformer, ThreeDETREncoder
from tests.test_converters import published
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


def test_too_incomplete() -> None:
    state = toys.vae().state_dict()
    del state['mixer.fuse.weight']
    with pytest.raises(ValueError, match=r"'mixer.fuse.weight' is missing"):
        model_configs.model_config(state, 'autoencoder')
    with pytest.raises(ValueError, match='only a patch embedding'):
        model_configs.model_config(state, 'backbone')


def test_encoder_alone_and_its_file(tmp_path) -> None:
    """MaskPoint's file becomes one that ``init_cfg`` of the encoder reads."""
    sizes = {
        name: shape
        for name, shape in published.shapes(
            'maskpoint_pretrain_scannet_enc3'
        ).items()
        if not name.startswith(('queue', 'transformer_k'))
    }
    source = published.write(tmp_path / 'src.pth', published.values(sizes))
    result = plan_conversion(source)
    result.check()
    assert (result.format, result.task) == ('maskpoint_scannet', 'backbone')
    assert result.meta['dataset_meta']['up_axis'] == 'z'
    target = tmp_path / 'dst.pth'
    write_checkpoint(target, result.state, result.meta)
    config = encoder_config(result.state)
    assert config == result.config
    init_cfg = dict(type='Pretrained', checkpoint=str(target))
    encoder = build_network({**config, 'init_cfg': init_cfg})
    assert isinstance(encoder, ThreeDETREncoder)
    encoder.init_weights()
    assert all(
        encoder.state_dict()[name].equal(value)
        for name, value in result.state.items()
    )
