from __future__ import annotations

import pytest
import torch

from mmdet3d_act.converters import keys
from mmdet3d_act.converters.published_teacher import (
    convert_teacher,
    teacher_names,
)
from mmdet3d_act.models.autoencoders import DiscreteVAE
from mmdet3d_act.models.layers.frozen import FROZEN_SOURCE
from tests.test_reference import harness

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


def test_shallow_prompts_have_one_row() -> None:
    state = {'visual_prompt_token': STATE['visual_prompt_token']}
    renamed, _ = convert_teacher(state, prefix='t.')
    assert renamed['t.prompts.tokens'].shape == (1, 2, 3)
    names = teacher_names(STATE, prefix='')
    assert names['deep_prompt_pos'] == ('prompts.pos', slice(1, None))


def test_norm_before_the_first_block() -> None:
    names = {
        'visual_embed.0.weight': 'encoder.pre_norm.weight',
        'visual_embed.1.3.attn.in_proj_bias': (
            'encoder.blocks.3.attn.in_proj_bias'
        ),
        'visual_embed.2.bias': 'encoder.norm.bias',
    }
    assert teacher_names(names, frozen=False, prefix='') == names


PUBLISHED = {
    'act_dvae_clip_vitb16': {
        'type': 'OpenCLIPTeacher',
        'model_name': 'ViT-B-16-quickgelu',
        'published_batch_attention': True,
    },
    'act_dvae_vitb': {
        'type': 'TimmTeacher',
        'model_name': 'vit_base_patch16_384',
    },
}


@pytest.mark.parametrize('name', PUBLISHED)
def test_every_published_name_has_a_place(name: str) -> None:
    """Names and shapes of a full-size autoencoder, without its memory."""
    folders = (harness.chosen_folder(), harness.DEFAULT_FOLDERS[-1])
    paths = [folder / 'keys' / f'{name}.json' for folder in folders]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        pytest.skip(f'{name}.json is in none of the folders')
    with torch.device('meta'):
        model = DiscreteVAE(teacher={**PUBLISHED[name], 'pretrained': False})
        state = {
            key: torch.empty(shape)
            for key, shape in harness.read_json(path).items()
        }
    converted, rest = convert_teacher(state)
    plain, unknown = keys.convert(rest, keys.AUTOENCODER)
    assert not unknown
    own = {
        key: value.shape
        for key, value in model.state_dict().items()
        if not key.endswith(FROZEN_SOURCE)
    }
    got = {**plain, **converted}
    assert {key: value.shape for key, value in got.items()} == own
