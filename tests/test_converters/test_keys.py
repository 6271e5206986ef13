"""The tables of published names."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.converters import keys
from tests.test_models import toys


def invert(state: dict[str, torch.Tensor], rules: list) -> set[str]:
    """Return which of our names a table's replacements can produce."""
    reached = set()
    for name in state:
        for _, new in rules:
            if new is not None and name.startswith(new.split('\\')[0]):
                reached.add(name)
    return reached


@pytest.mark.parametrize(
    ('published', 'ours'),
    [
        ('encoder.first_conv.0.weight', 'patch_embed.conv1.weight'),
        ('encoder.second_conv.1.running_var', 'patch_embed.norm2.running_var'),
        ('encoder.second_conv.3.bias', 'patch_embed.conv4.bias'),
        ('dgcnn_1.input_trans.weight', 'to_logits.proj.weight'),
        ('dgcnn_1.layer1.0.weight', 'to_logits.layers.0.conv.weight'),
        ('dgcnn_2.layer4.1.bias', 'mixer.layers.3.norm.bias'),
        ('dgcnn_2.layer5.0.weight', 'mixer.fuse.weight'),
        ('decoder.mlp.4.weight', 'decoder.coarse.4.weight'),
        ('decoder.final_conv.4.running_mean', 'decoder.norm2.running_mean'),
        ('codebook', 'codebook'),
    ],
)
def test_autoencoder_names(published: str, ours: str) -> None:
    assert keys.translate(published, keys.AUTOENCODER) == (True, ours)


@pytest.mark.parametrize(
    ('published', 'ours'),
    [
        ('ACT_encoder.cls_token', 'student.cls_token'),
        ('ACT_encoder.cls_pos', 'student.cls_pos'),
        ('ACT_encoder.reduce_dim.weight', 'student.reduce_dim.weight'),
        ('ACT_encoder.pos_embed.0.weight', 'student.pos_embed.fc1.weight'),
        (
            'ACT_encoder.blocks.blocks.11.mlp.fc2.bias',
            'student.blocks.11.mlp.fc2.bias',
        ),
        ('ACT_encoder.norm.bias', 'student.norm.bias'),
        ('ACT_encoder.lm_head.weight', None),
        ('mask_token', 'objectives.act.neck.mask_token'),
        ('cls_pos', 'objectives.act.neck.cls_pos'),
        (
            'decoder_pos_embed.2.bias',
            'objectives.act.neck.pos_embed.fc2.bias',
        ),
        (
            'ACT_decoder.blocks.1.attn.qkv.weight',
            'objectives.act.neck.blocks.1.attn.qkv.weight',
        ),
        ('ACT_decoder.norm.weight', 'objectives.act.neck.norm.weight'),
        ('proj_head.weight', 'objectives.act.head.proj.weight'),
    ],
)
def test_act_names(published: str, ours: str | None) -> None:
    assert keys.translate(published, keys.ACT_PRETRAINING) == (True, ours)


def test_point_mae_names() -> None:
    rules = keys.POINT_MAE_PRETRAINING
    known, ours = keys.translate('MAE_encoder.norm.weight', rules)
    assert (known, ours) == (True, 'student.norm.weight')
    known, ours = keys.translate('increase_dim.0.bias', rules)
    assert (known, ours) == (True, 'objectives.point_mae.head.proj.bias')


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


def test_wider_convolutions_keep_their_shape() -> None:
    state = {'encoder.first_conv.0.weight': torch.rand(8, 3, 3)}
    renamed, _ = keys.convert(state, keys.AUTOENCODER)
    assert renamed['patch_embed.conv1.weight'].shape == (8, 3, 3)


def test_tables_reach_every_name_of_the_networks() -> None:
    autoencoder = dict(toys.vae().named_parameters())
    student = dict(toys.student(patch_dims=16).named_parameters())
    assert invert(autoencoder, keys.AUTOENCODER) == set(autoencoder)
    prefixed = {f'student.{name}': value for name, value in student.items()}
    found = invert(prefixed, keys.ACT_PRETRAINING)
    tokens = {'student.cls_token', 'student.cls_pos'}
    assert found | tokens == set(prefixed)


def test_nested_rules_take_prefixes_literally() -> None:
    rules = keys.nest(keys.NORM, 'a.b.', 'x.')
    assert keys.translate('a.b.weight', rules) == (True, 'x.weight')
    assert keys.translate('aXb.weight', rules) == (False, None)


def test_with_prefix() -> None:
    state = {'a.x': torch.ones(1), 'a.y': torch.ones(1), 'b.x': torch.ones(1)}
    assert set(keys.with_prefix(state, 'a.')) == {'x', 'y'}
