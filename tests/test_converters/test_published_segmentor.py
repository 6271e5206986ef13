"""Names of published segmentation networks."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.converters.keys import Rules, convert, translate
from mmdet3d_act.converters.published_segmentor import (
    PART_SEGMENTOR,
    SEMANTIC_SEGMENTOR,
)
from mmdet3d_act.models.backbones import PointTransformer
from mmdet3d_act.models.heads import PartSegHead, SemanticSegHead
from mmdet3d_act.models.segmentors import PointSegmentor
from mmdet3d_act.registry import HAS_MMDET3D

# Ours, and the published one without what ACT appended.
NAMES = {
    'backbone.patch_embed.norm1.running_var': (
        'encoder.first_conv.1.running_var'
    ),
    'backbone.patch_embed.conv3.weight': 'encoder.second_conv.0.weight',
    'backbone.pos_embed.fc2.bias': 'pos_embed.2.bias',
    'backbone.blocks.11.attn.qkv.weight': 'blocks.blocks.11.attn.qkv.weight',
    'backbone.norm.weight': 'norm.weight',
    'decode_head.propagation.fcs.0.weight': (
        'propagation_0{}.mlp_convs.0.weight'
    ),
    'decode_head.propagation.norms.1.running_mean': (
        'propagation_0{}.mlp_bns.1.running_mean'
    ),
    'decode_head.fc1.weight': 'convs1{}.weight',
    'decode_head.fc3.bias': 'convs3{}.bias',
    'decode_head.norm2.num_batches_tracked': 'bns2{}.num_batches_tracked',
    'decode_head.category_fc.weight': 'label_conv{}.0.weight',
    'decode_head.category_norm.bias': 'label_conv{}.1.bias',
}


@pytest.mark.parametrize('suffix', ['', '_cls'])
def test_names(suffix: str) -> None:
    """Point-MAE's, and ACT's."""
    for ours, published in NAMES.items():
        name = published.format(suffix)
        assert translate(name, PART_SEGMENTOR) == (True, ours)
        category = 'label_conv' in name
        known = translate(name, SEMANTIC_SEGMENTOR)
        assert known == ((False, None) if category else (True, ours))


@pytest.mark.parametrize(
    'name', ['cls_token', 'convs4.weight', 'bns3.weight', 'lm_head.weight']
)
def test_what_no_segmentor_has_is_unknown(name: str) -> None:
    assert translate(name, PART_SEGMENTOR) == (False, None)


def published(state: dict, suffix: str, rules: Rules) -> dict:
    """Return published names of all of our parameters, by the table."""
    parts = {
        'decode_head.propagation.fcs.': f'propagation_0{suffix}.mlp_convs.',
        'decode_head.propagation.norms.': f'propagation_0{suffix}.mlp_bns.',
        'decode_head.category_fc.': f'label_conv{suffix}.0.',
        'decode_head.category_norm.': f'label_conv{suffix}.1.',
        'backbone.patch_embed.conv1.': 'encoder.first_conv.0.',
        'backbone.patch_embed.norm1.': 'encoder.first_conv.1.',
        'backbone.patch_embed.conv2.': 'encoder.first_conv.3.',
        'backbone.patch_embed.conv3.': 'encoder.second_conv.0.',
        'backbone.patch_embed.norm2.': 'encoder.second_conv.1.',
        'backbone.patch_embed.conv4.': 'encoder.second_conv.3.',
        'backbone.pos_embed.fc1.': 'pos_embed.0.',
        'backbone.pos_embed.fc2.': 'pos_embed.2.',
        'backbone.blocks.': 'blocks.blocks.',
        'backbone.norm.': 'norm.',
    }
    for index in (1, 2, 3):
        parts[f'decode_head.fc{index}.'] = f'convs{index}{suffix}.'
        parts[f'decode_head.norm{index}.'] = f'bns{index}{suffix}.'
    named = {}
    for name, value in state.items():
        (start,) = (part for part in parts if name.startswith(part))
        named[parts[start] + name[len(start) :]] = value
    return named


@pytest.mark.skipif(not HAS_MMDET3D, reason='MMDetection3D is not installed')
@pytest.mark.parametrize('suffix', ['', '_cls'])
@pytest.mark.parametrize('part', [True, False])
def test_every_parameter_is_met(part: bool, suffix: str) -> None:
    backbone = PointTransformer(
        embed_dims=32, num_layers=2, num_heads=4, with_cls_token=False
    )
    head = PartSegHead if part else SemanticSegHead
    model = PointSegmentor(backbone, head(7, in_channels=96))
    state = model.state_dict()
    # It has no published twin.
    state.pop('backbone.position_code')
    rules = PART_SEGMENTOR if part else SEMANTIC_SEGMENTOR
    official = {
        name: value[..., None] if 'conv' in name and value.ndim == 2 else value
        for name, value in published(state, suffix, rules).items()
    }
    renamed, unknown = convert(official, rules)
    assert not unknown
    assert set(renamed) == set(state)
    assert all(torch.equal(renamed[name], state[name]) for name in state)
