"""The table of published names, and what it makes of whole files."""

from __future__ import annotations

import json

import pytest
import torch

import mmdet3d_act  # noqa: F401 (registers the networks)
from mmdet3d_act.converters import keys
from mmdet3d_act.converters.keys import (
    DETECTOR,
    ENCODER,
    MASKPOINT_ENCODER,
    convert,
    convert_teacher,
    teacher_names,
    translate,
)
from mmdet3d_act.converters.model_configs import (
    build_on_meta,
    detector_config,
)
from tests.test_converters import published
from tests.test_models import toys
from tests.test_reference import harness

# By table: published name and ours; None where it is left out. What is made
# with the other tables is compared with golden arrays.
NAMES = {
    'QUERY_NETWORK': {
        'transformer_q.reduce_dim.weight': 'reduce_dim.weight',
        'transformer_q.blocks.blocks.3.norm1.bias': 'blocks.3.norm1.bias',
    },
    'RECON': {
        'blocks.blocks.3.attn.qkv.weight': 'blocks.3.attn.qkv.weight',
        'blocks.blocks.3.attn_contrast.q.weight': None,
    },
    'RECON_PRETRAINING': {'MAE_encoder.norm.bias': 'norm.bias'},
}
UNKNOWN = {
    'QUERY_NETWORK': ['transformer_k.cls_token', 'queue', 'dvae.codebook'],
    'RECON': ['cls_token'],
    'CLASSIFIER': ['label_conv.0.weight', 'blocks.0.norm1.weight', 'side_b'],
    'PART_SEGMENTOR': ['cls_token', 'convs4.weight', 'bns3.weight'],
    'SEMANTIC_SEGMENTOR': ['lm_head.weight', 'label_conv.0.weight'],
    'DETECTOR': [
        'encoder.norm.weight',
        'mlp_heads.center_head.layers.2.weight',
        'encoder_to_decoder_projection.layers.9.weight',
        'pos_embedding.gauss_C',
        'preXencoder.mlp_module.layer0.conv.weight',
    ],
}


@pytest.mark.parametrize('table', NAMES)
def test_names(table: str) -> None:
    for name, ours in NAMES[table].items():
        assert translate(name, getattr(keys, table)) == (True, ours)


@pytest.mark.parametrize('table', UNKNOWN)
def test_what_a_table_does_not_know(table: str) -> None:
    for name in UNKNOWN[table]:
        assert translate(name, getattr(keys, table)) == (False, None)


def test_unknown_names_are_reported_and_never_dropped() -> None:
    state = {
        'ACT_encoder.norm.weight': torch.ones(4),
        'ACT_encoder.norm.weight_extra': torch.ones(4),
        'ACT_encoder.cls_head.weight': torch.ones(4),
        'base_model.cls_token': torch.ones(4),
    }
    renamed, unknown = keys.convert(state, keys.ACT_PRETRAINING)
    assert set(renamed) == {'student.norm.weight'}
    assert unknown == ['ACT_encoder.norm.weight_extra', 'base_model.cls_token']


def test_pointwise_convolutions_become_linear() -> None:
    wide = {'encoder.first_conv.0.weight': torch.rand(8, 3, 3)}
    renamed, _ = keys.convert(wide, keys.AUTOENCODER)
    assert renamed['patch_embed.conv1.weight'].shape == (8, 3, 3)
    state = {
        'encoder.first_conv.0.weight': torch.rand(8, 3, 1),
        'dgcnn_1.layer1.0.weight': torch.rand(8, 6, 1, 1),
        'dgcnn_1.layer1.1.weight': torch.rand(8),
        'codebook': torch.rand(4, 1),
    }
    renamed, _ = keys.convert(state, keys.AUTOENCODER)
    shapes = {name: tuple(value.shape) for name, value in renamed.items()}
    assert shapes == {
        'patch_embed.conv1.weight': (8, 3),
        'to_logits.layers.0.conv.weight': (8, 6),
        'to_logits.layers.0.norm.weight': (8,),
        'codebook': (4, 1),
    }
    toys.assert_close(
        renamed['patch_embed.conv1.weight'],
        state['encoder.first_conv.0.weight'][..., 0],
    )


def test_nested_rules_take_prefixes_literally() -> None:
    rules = keys.nest(keys.NORM, 'a.b.', 'x.')
    assert keys.translate('a.b.weight', rules) == (True, 'x.weight')
    assert keys.translate('aXb.weight', rules) == (False, None)


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


# A teacher.
STATE = {
    'codebook': torch.zeros(2),
    'visual_prompt_token': torch.full((1, 2, 3), 1.0),
    'visual_prompt_pos': torch.full((1, 2, 3), 2.0),
    'deep_prompt_pos': torch.full((2, 2, 3), 4.0),
    'deep_prompt_tokens': torch.full((2, 2, 3), 3.0),
    'proj_pre.weight': torch.full((3, 4), 5.0),
    'visual_pos_embed.2.bias': torch.full((3,), 6.0),
    'visual_embed.0.11.attn.qkv.bias': torch.full((9,), 7.0),
    'visual_embed.1.weight': torch.full((3,), 8.0),
}


def test_names_and_values() -> None:
    renamed, rest = convert_teacher(STATE)
    assert set(rest) == {'codebook'}
    tokens = renamed.pop('teacher.prompts.tokens')
    pos = renamed.pop('teacher.prompts.pos')
    assert tokens[:, 0, 0].tolist() == [1, 3, 3]
    assert pos[:, 0, 0].tolist() == [2, 4, 4]
    # Shallow prompts have one row.
    only = {'visual_prompt_token': STATE['visual_prompt_token']}
    shallow, _ = convert_teacher(only, prefix='t.')
    assert shallow['t.prompts.tokens'].shape == (1, 2, 3)
    assert {key: v.flatten()[0].item() for key, v in renamed.items()} == {
        'teacher.proj_in.weight': 5,
        'teacher.pos_embed.fc2.bias': 6,
        'teacher.encoder.module.blocks.11.attn.qkv.bias': 7,
        'teacher.encoder.module.norm.weight': 8,
    }


def test_bert_and_unfrozen() -> None:
    name = 'visual_embed.0.layer.2.output.dense.weight'
    assert teacher_names([name, 'other'], frozen=False, prefix='') == {
        name: 'encoder.blocks.2.output.dense.weight'
    }


def test_norm_before_the_first_block() -> None:
    names = {
        'visual_embed.0.weight': 'encoder.pre_norm.weight',
        'visual_embed.1.3.attn.in_proj_bias': (
            'encoder.blocks.3.attn.in_proj_bias'
        ),
        'visual_embed.2.bias': 'encoder.norm.bias',
    }
    assert teacher_names(names, frozen=False, prefix='') == names
