"""Teachers equal the published ones, block by block."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.converters.keys import (
    convert_teacher,
)
from mmdet3d_act.models.teachers import (
    LanguageTeacher,
    OpenCLIPTeacher,
    TimmTeacher,
    TokenTeacher,
)
from tests.teacher_states import teacher_states
from tests.test_reference import networks
from tests.test_reference.harness import Reference, fixture_params

COVERS = ('autoencoder_vit', 'autoencoder_clip', 'autoencoder_bert')


def teacher_of(meta: dict, **settings) -> TokenTeacher:
    """Return a teacher of a fixture's sizes, its weights still random."""
    config = meta['config']
    deep = config['use_deep_prompt']
    common = {
        'in_channels': config['tokens_dims'],
        'out_channels': config['tokens_dims'],
        'num_prompts': config['num_prompt_token'],
        'prompt_mode': 'deep' if deep else 'shallow',
        'frozen': config['freeze_visual_embed'],
        'pretrained': False,
        **settings,
    }
    if config['visual_embed_type'].startswith('CLIP'):
        sizes = meta['vit']
        return OpenCLIPTeacher(
            'ViT-B-16-quickgelu',
            model_args={
                'width': sizes['embed_dim'],
                'layers': sizes['depth'],
                'head_width': sizes['embed_dim'] // sizes['num_heads'],
            },
            published_batch_attention=deep,
            **common,
        )
    if 'vit' in meta:
        return TimmTeacher(
            'vit_tiny_patch16_224', model_args=meta['vit'], **common
        )
    sizes = meta['bert']
    bert = {
        'hidden_size': sizes['hidden'],
        'num_hidden_layers': sizes['layers'],
        'num_attention_heads': sizes['heads'],
        'intermediate_size': sizes['intermediate'],
    }
    return LanguageTeacher('bert-base-uncased', config=bert, **common)


@pytest.mark.parametrize('name', fixture_params(*COVERS))
def test_teacher(reference: Reference, name: str) -> None:
    arrays, meta = reference.load(name)
    teacher = teacher_of(meta).eval()
    state, rest = convert_teacher(
        reference.weights(name), frozen=teacher.frozen, prefix=''
    )
    assert not [key for key in rest if key.startswith(('visual', 'proj'))]
    networks.fill(teacher, state)
    soft, hard, centers = networks.tensors(
        arrays, 'sampled_soft_tau1', 'sampled_hard', 'center'
    )
    with torch.no_grad():
        states = teacher_states(teacher, soft, centers)
        outputs = {
            'vis_out_soft': teacher(soft, centers),
            'vis_out_hard': teacher(hard, centers),
        }
    hidden = {f'vis_block_{i}': x for i, x in enumerate(states.blocks)}
    if 'vis_ln_pre' in arrays and teacher.prompts.mode == 'shallow':
        # CLIP's blocks keep the tokens first, where the release says so.
        hidden = {name: x.transpose(0, 1) for name, x in hidden.items()}
    if 'vis_final_norm' in arrays:
        hidden['vis_final_norm'] = states.normed
    if 'vis_ln_pre' in arrays:
        hidden['vis_ln_pre'] = states.pre_normed
    assert {key for key in arrays if key.startswith('vis_block_')} <= {*hidden}
    reference.assert_some(
        name,
        {
            'vis_proj_pre': states.projected,
            'vis_pos': states.position,
            **hidden,
            **outputs,
        },
    )
    reference.assert_matches(name, 'vis_out_soft', states.output)


@pytest.mark.parametrize('name', fixture_params('autoencoder_clip'))
def test_samples_of_a_batch(reference: Reference, name: str) -> None:
    """They influence each other in the released layout, and only there."""
    arrays, meta = reference.load(name)
    teacher = teacher_of(meta).eval()
    state, _ = convert_teacher(reference.weights(name), prefix='')
    networks.fill(teacher, state)
    hard, centers = networks.tensors(arrays, 'sampled_hard', 'center')
    both = teacher(hard, centers)
    alone = teacher(hard[:1], centers[:1])
    reference.assert_matches(name, 'vis_out_hard_sample0_alone', alone)
    apart = not meta['sample0_independent_of_batch']
    assert apart == teacher.published_batch_attention
    assert apart == (not torch.allclose(both[:1], alone, atol=1e-3))
    teacher.published_batch_attention = False
    ours = teacher(hard, centers)
    again = teacher(hard[:1], centers[:1])
    torch.testing.assert_close(ours[:1], again, rtol=1e-5, atol=1e-5)
