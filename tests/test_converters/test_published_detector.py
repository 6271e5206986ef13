"""Names of published 3DETR detectors, and of MaskPoint's encoder of one."""

from __future__ import annotations

import json

import pytest
import torch

from mmdet3d_act.converters.detector_configs import (
    detector_config,
    encoder_config,
)
from mmdet3d_act.converters.keys import convert, translate
from mmdet3d_act.converters.model_configs import build_on_meta
from mmdet3d_act.converters.published_detector import (
    DETECTOR,
    ENCODER,
    MASKPOINT_ENCODER,
)
from tests.test_converters import published
from tests.test_reference import harness

NAMES = {
    'pre_encoder.mlp_module.layer2.bn.bn.running_var': (
        'backbone.set_abstraction.norms.2.running_var'
    ),
    'encoder.layers.11.self_attn.in_proj_weight': (
        'backbone.layers.11.attn.qkv.weight'
    ),
    'encoder.layers.0.linear1.bias': 'backbone.layers.0.mlp.fc1.bias',
    'encoder.interim_downsampling.mlp_module.layer0.conv.weight': (
        'backbone.downsample.fcs.0.weight'
    ),
    'encoder_to_decoder_projection.layers.3.weight': (
        'bbox_head.projection.fcs.1.weight'
    ),
    'encoder_to_decoder_projection.layers.7.running_mean': (
        'bbox_head.projection.norms.2.running_mean'
    ),
    'pos_embedding.gauss_B': 'bbox_head.pos_embed.frequencies',
    'query_projection.layers.2.bias': 'bbox_head.query_embed.fc2.bias',
    'decoder.layers.7.multihead_attn.out_proj.bias': (
        'bbox_head.decoder.layers.7.cross_attn.proj.bias'
    ),
    'decoder.layers.1.norm3.weight': (
        'bbox_head.decoder.layers.1.norm3.weight'
    ),
    'decoder.norm.bias': 'bbox_head.decoder.norm.bias',
    'mlp_heads.sem_cls_head.layers.8.bias': 'bbox_head.cls_mlp.fc3.bias',
    'mlp_heads.angle_residual_head.layers.5.num_batches_tracked': (
        'bbox_head.angle_residual_mlp.norm2.num_batches_tracked'
    ),
}


def test_names() -> None:
    for name, ours in NAMES.items():
        assert translate(name, DETECTOR) == (True, ours)


@pytest.mark.parametrize(
    'name',
    [
        'encoder.norm.weight',
        'mlp_heads.center_head.layers.2.weight',
        'encoder_to_decoder_projection.layers.9.weight',
        'pos_embedding.gauss_C',
        'preXencoder.mlp_module.layer0.conv.weight',
    ],
)
def test_what_no_detector_has_is_unknown(name: str) -> None:
    assert translate(name, DETECTOR) == (False, None)


@pytest.mark.parametrize(
    'name',
    [
        '3detr_scannet',
        '3detr_sunrgbd',
        '3detr_m_scannet',
        '3detr_m_scannet_color',
        '3detr_m_sunrgbd',
        '3detr_maskpoint_enc12_scannet',
    ],
)
def test_every_published_detector_is_filled(name: str) -> None:
    state, unknown = convert(published.hollow(name), DETECTOR)
    assert not unknown
    config = detector_config(state)
    own = build_on_meta(config).state_dict()
    assert {k: v.shape for k, v in own.items()} == {
        k: v.shape for k, v in state.items()
    }
    backbone, head = config['backbone'], config['bbox_head']
    turned = 'sunrgbd' in name
    assert head['num_classes'] == (10 if turned else 18)
    assert head['num_angle_bins'] == (12 if turned else 1)
    assert head['num_queries'] == (128 if turned else 256)
    assert ('masking_radii' in backbone) == ('_m_' in name)
    assert backbone['in_channels'] == (6 if 'color' in name else 3)
    assert backbone['num_layers'] == (12 if 'enc12' in name else 3)
    assert len(head['projection_channels']) == (1 if '_m_' in name else 2)
    rotation = head.get('loss', {}).get('rotation', 'exact')
    assert rotation == ('released' if turned else 'exact')


@pytest.mark.parametrize('layers', [3, 12])
def test_encoder_of_maskpoint(layers: int) -> None:
    state, unknown = convert(
        published.hollow(f'maskpoint_pretrain_scannet_enc{layers}'),
        MASKPOINT_ENCODER,
    )
    config = encoder_config(state)
    assert config['num_layers'] == layers
    own = build_on_meta(config).state_dict()
    assert {k: v.shape for k, v in own.items()} == {
        k: v.shape for k, v in state.items()
    }
    layer = 'transformer_q.blocks.layers.'
    assert not any(name.startswith(layer) for name in unknown)


def test_maskpoint_fills_what_the_release_fills() -> None:
    """All of the encoder, set abstraction included."""
    path = harness.chosen_folder() / 'maskpoint_to_3detr.json'
    if not path.is_file():
        pytest.skip(f'{path.parent} has no {path.name}')
    known = json.loads(path.read_text())['with_module_prefix']
    for target, source in known['loaded'].items():
        ours = translate(target, ENCODER)
        assert ours[0]
        assert translate(source, MASKPOINT_ENCODER) == ours
    for source in known['unused_source_keys']:
        assert translate(source, MASKPOINT_ENCODER) == (False, None)


def test_masked_encoders_have_three_layers() -> None:
    state, _ = convert(published.hollow('3detr_m_scannet'), ENCODER)
    state = {k: v for k, v in state.items() if not k.startswith('layers.2.')}
    with pytest.raises(ValueError, match='expected the 3 layers'):
        encoder_config(state)


def test_convolutions_become_linear() -> None:
    name = 'pre_encoder.mlp_module.layer0.conv.weight'
    state, _ = convert({name: torch.ones(4, 3, 1, 1)}, ENCODER)
    assert state['set_abstraction.fcs.0.weight'].shape == (4, 3)
