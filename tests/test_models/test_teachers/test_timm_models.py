from __future__ import annotations

import sys
from pathlib import Path

import pytest
import timm
import torch

from mmdet3d_act.models.teachers import timm_models as module

NAME = 'vit_tiny_patch16_224'


def test_every_released_name_is_known_to_timm() -> None:
    known = set(timm.list_models(pretrained=True))
    assert set(module.RELEASED_NAMES.values()) <= known
    assert module.current_name('mixer_b16_224_in21k').startswith('mixer_b16_')
    assert module.current_name(NAME) == NAME


@pytest.mark.parametrize(
    ('name', 'match'),
    [
        ('vit_tiny_patch16_225', 'no model .* alike are vit_tiny_patch16_224'),
        (f'{NAME}.nobody', r'no weights .* are vit_tiny_patch16_224\.augreg'),
        (f'hf-hub:timm/{NAME}', 'would fetch its config'),
    ],
)
def test_names_that_timm_does_not_have(name: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        module.create_network(name)


def test_timm_missing(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, 'timm', None)
    for call in (module.list_networks, lambda: module.create_network(NAME)):
        with pytest.raises(ImportError, match=r'mmdet3d_act\[teacher\]'):
            call()


def test_cache_of_the_library(monkeypatch, tmp_path: Path) -> None:
    import huggingface_hub

    monkeypatch.setattr(
        huggingface_hub, 'try_to_load_from_cache', lambda repo, file: None
    )
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    assert not module.is_downloaded(NAME)
    (tmp_path / 'checkpoints').mkdir()
    dino = timm.get_pretrained_cfg('vit_small_patch14_dinov2')
    (tmp_path / 'checkpoints' / Path(dino.url).name).touch()
    assert module.is_downloaded('vit_small_patch14_dinov2')
    monkeypatch.setattr(
        huggingface_hub,
        'try_to_load_from_cache',
        lambda repo, file: f'{repo}/{file}',
    )
    assert module.is_downloaded(NAME)
    assert not module.is_downloaded('no_such_model')


def test_file_of_a_model(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    folder = tmp_path / 'teachers'
    folder.mkdir()
    given = 'mixer_b16_224_miil'
    assert module.find_file(given) is None
    for file in ('mixer_b16_224.npz', f'{given}.pt'):
        (folder / file).touch()
        assert module.find_file(given) == folder / file or file[-3:] == 'npz'
    assert module.find_file('mixer_b16_224').suffix == '.npz'
    assert str(folder / 'x.pth') in module.how_to_get('x')
    # Both names are looked for.
    assert module.how_to_get('x.tag').endswith('x.tag.pth or x.pth')


TINY = {'embed_dim': 16, 'depth': 1, 'num_heads': 2, 'img_size': 32}


def names_after(name: str, old: dict[str, str], args: dict) -> None:
    """Check that timm's own names come back out of older ones."""
    state = timm.create_model(name, **args).state_dict()
    theirs = {}
    for key, value in state.items():
        for new, other in old.items():
            key = key.replace(new, other)
        theirs[key] = value
    assert set(theirs) != set(state)
    got = module.convert_names(theirs, name, **args)
    assert set(got) == set(state)
    for key, value in got.items():
        assert torch.equal(value.flatten(), state[key].flatten()), key


@pytest.mark.parametrize(
    ('name', 'old', 'args'),
    [
        (
            'deit3_small_patch16_224',
            {'ls1.gamma': 'gamma_1', 'ls2.gamma': 'gamma_2'},
            TINY,
        ),
        (
            'resmlp_12_224',
            {
                'stem.': 'patch_embed.',
                'linear_tokens.': 'attn.',
                'mlp_channels.': 'mlp.',
                '.ls': '.gamma_',
            },
            {},
        ),
        (
            'eva02_base_patch14_224',
            {'mlp.norm': 'mlp.ffn_ln', 'attn.norm': 'attn.inner_attn_ln'},
            {**TINY, 'img_size': 28},
        ),
    ],
)
def test_names_of_the_authors(name: str, old: dict, args: dict) -> None:
    names_after(name, old, args)


def test_names_of_something_else_stay() -> None:
    state = {'blocks.0.weight': torch.ones(1)}
    assert dict(module.convert_names(state, NAME)) == state


def test_quick_gelu_is_noticed() -> None:
    clip = 'vit_base_patch16_clip_224'
    assert module.wants_quick_gelu(f'{clip}.openai')
    assert not module.wants_quick_gelu(f'{clip}.laion2b')
    quick = 'vit_base_patch16_clip_quickgelu_224.openai'
    assert not module.wants_quick_gelu(quick)
    assert not module.wants_quick_gelu('no_such_model')
