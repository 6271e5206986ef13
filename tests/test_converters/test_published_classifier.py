"""Published names of classifiers."""

from __future__ import annotations

import torch

from mmdet3d_act.converters.keys import convert, translate
from mmdet3d_act.converters.published_classifier import CLASSIFIER

NAMES = {
    'cls_token': 'backbone.cls_token',
    'cls_pos': 'backbone.cls_pos',
    'encoder.first_conv.0.weight': 'backbone.patch_embed.conv1.weight',
    'reduce_dim.bias': 'backbone.reduce_dim.bias',
    'pos_embed.2.bias': 'backbone.pos_embed.fc2.bias',
    'blocks.blocks.11.attn.qkv.weight': 'backbone.blocks.11.attn.qkv.weight',
    'norm.weight': 'backbone.norm.weight',
    'cls_head_finetune.0.weight': 'head.layers.0.weight',
    'cls_head_finetune.5.running_mean': 'head.layers.5.running_mean',
    'cls_head_finetune.8.bias': 'head.layers.8.bias',
    'side_alpha': 'neck.alpha',
    'side.second_conv.1.num_batches_tracked': (
        'neck.patch_embed.norm2.num_batches_tracked'
    ),
    'side_projection.weight': 'neck.proj.weight',
}


def test_every_part_has_a_name() -> None:
    for official, ours in NAMES.items():
        assert translate(official, CLASSIFIER) == (True, ours)


def test_what_is_no_classifiers_is_reported() -> None:
    strange = 'label_conv.0.weight', 'blocks.0.norm1.weight', 'side_beta'
    state = {name: torch.zeros(1) for name in strange}
    assert convert(state, CLASSIFIER) == ({}, list(strange))
