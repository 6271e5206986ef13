from __future__ import annotations

import pytest

from mmdet3d_act.models.teachers import ImageTeacher, TimmTeacher


def test_abstract_methods_are_those_of_a_library() -> None:
    assert {'list_models', 'take', 'locate', 'read_pretrained'} == set(
        ImageTeacher.__abstractmethods__
    )


def test_refusal_is_the_constructors_error() -> None:
    reason = TimmTeacher.refusal('resnet10t')
    with pytest.raises(ValueError, match='has no `blocks`') as error:
        TimmTeacher(
            'resnet10t', in_channels=2, out_channels=2, pretrained=False
        )
    assert str(error.value) == reason
    with pytest.raises(ValueError, match='has no `blocks`'):
        TimmTeacher.describe('resnet10t')
    assert TimmTeacher.refusal('vit_tiny_patch16_224') is None


def test_refusal_of_a_number_of_prompts() -> None:
    sizes = {'num_layers': 1, 'num_groups': 64}
    check = TimmTeacher.refusal
    assert check('mixer_b16_224', num_prompts=132, **sizes) is None
    assert check('mixer_b16_224', **sizes) is None
    reason = check('mixer_b16_224', num_prompts=64, **sizes)
    assert 'fixed number of 196 tokens' in reason
    assert 'num_prompts must be 132 for 64 patches, got 64' in reason


def test_facts_of_a_large_model_need_no_memory() -> None:
    facts = TimmTeacher.describe('vit_7b_patch16_dinov3')
    assert facts.num_layers == 40
    assert facts.embed_dims == 4096
    assert facts.num_parameters > 6e9
