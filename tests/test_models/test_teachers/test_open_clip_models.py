from __future__ import annotations

import sys

import open_clip
import pytest
import torch
from torch import nn

from mmdet3d_act.models.teachers import open_clip_models as module

TINY = {'width': 32, 'layers': 2, 'head_width': 16, 'image_size': 32}


def take(name: str, **settings):
    return module.take_tower(name, model_args=TINY, **settings)


def test_visual_tower() -> None:
    taken = take('ViT-B-16')
    encoder = taken.encoder
    assert taken.embed_dims == 32
    assert [len(b.mlp) for b in encoder.blocks] == [3, 3]
    assert isinstance(encoder.pre_norm, nn.LayerNorm)
    assert isinstance(encoder.blocks[0].mlp.gelu, nn.GELU)
    quick = take('ViT-B-16', quick_gelu=True).encoder.blocks[0].mlp.gelu
    x = torch.tensor([1.5])
    torch.testing.assert_close(quick(x), x * torch.sigmoid(1.702 * x))
    assert len(take('ViT-B-16', num_layers=1).encoder.blocks) == 1


def test_names_are_those_of_the_whole_model() -> None:
    small = {'vision_cfg': TINY, 'text_cfg': {'width': 32, 'layers': 2}}
    whole = open_clip.CLIP(embed_dim=8, **small)
    names = set(whole.state_dict())
    for tower in module.TOWERS:
        args = TINY if tower == 'visual' else small['text_cfg']
        taken = module.take_tower('ViT-B-16', tower=tower, model_args=args)
        own = taken.encoder
        parts = zip(
            (own.blocks, own.norm, own.pre_norm), taken.names, strict=True
        )
        for part, prefixes in parts:
            if part is not None:
                assert any(
                    {p + key for key in part.state_dict()} <= names
                    for p in prefixes
                )


def test_towers_without_a_norm_before() -> None:
    with torch.device('meta'):
        taken = module.take_tower('ViT-H-14-CLIPA', num_layers=1)
    assert taken.encoder.pre_norm is None
    assert taken.encoder.norm.normalized_shape == (1280,)


def test_norm_of_an_attention_pool_is_left_out() -> None:
    with torch.device('meta'):
        taken = module.take_tower('coca_ViT-B-32', num_layers=1)
    assert taken.embed_dims == 768
    assert taken.encoder.norm is None


def test_tower_of_timm() -> None:
    with torch.device('meta'):
        taken = module.take_tower('ViT-B-16-SigLIP', num_layers=1)
    assert taken.names.blocks == ['visual.trunk.blocks.', 'trunk.blocks.']
    assert taken.names.norm[0] == 'visual.trunk.norm.'


@pytest.mark.parametrize(
    ('name', 'tower', 'match'),
    [
        ('RN50', 'visual', 'ModifiedResNet, not a Transformer'),
        ('convnext_base', 'visual', 'cannot be a teacher'),
        ('roberta-ViT-B-32', 'text', 'take a LanguageTeacher'),
        ('ViT-B-17', 'visual', r"no model 'ViT-B-17'; alike are ViT-B-1"),
        ('ViT-B-16', 'both', 'tower must be one of'),
    ],
)
def test_refusals(name: str, tower: str, match: str) -> None:
    with torch.device('meta'), pytest.raises(ValueError, match=match):
        module.take_tower(name, tower=tower)


def test_which_activation() -> None:
    quick = module.uses_quick_gelu
    assert quick('ViT-B-16-quickgelu')
    assert quick('ViT-B-16', 'openai')
    assert not quick('ViT-B-16', 'laion2b_s34b_b88k')
    assert not quick('ViT-B-16')
    assert not quick('ViT-B-16-quickgelu', given=False)
    assert quick('ViT-B-16', given=True)
    assert module.ambiguous_activation('ViT-B-16')
    assert not module.ambiguous_activation('ViT-B-16-quickgelu')
    assert not module.ambiguous_activation('ViT-B-16-SigLIP')
    with pytest.raises(ValueError, match='must be one of openai'):
        quick('ViT-B-16', 'mine')


def test_open_clip_missing(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, 'open_clip', None)
    with pytest.raises(ImportError, match=r'mmdet3d_act\[teacher\]'):
        module.model_config('ViT-B-16')


def test_config_is_a_copy() -> None:
    module.model_config('ViT-B-16')['vision_cfg'].clear()
    assert module.model_config('ViT-B-16')['vision_cfg']['width'] == 768
