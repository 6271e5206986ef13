"""ClipCap equals the published one, with GPT-2 and without."""

from __future__ import annotations

import pytest
import torch

from mmdet3d_act.models.teachers import ClipCapMapping
from tests.test_reference import networks
from tests.test_reference.harness import Reference, fixture_params, listed
from tests.test_tools.loading import load_tool

COVERS = ('caption_prefix', 'caption_model')


@pytest.mark.parametrize('name', fixture_params('caption_prefix'))
def test_mapping(reference: Reference, name: str) -> None:
    arrays, meta = reference.load(name)
    embedding, normalised = networks.tensors(
        arrays, 'clip_embedding', 'clip_embedding_normalised'
    )
    mapping = ClipCapMapping(
        checkpoint=reference.weights(name),
        clip_dims=embedding.shape[1],
        prefix_length=meta['prefix_length'],
        embed_dims=arrays['prefix'].shape[2],
    )
    mapping.init_weights()
    hidden = mapping.network[:2](embedding)
    step = hidden.shape[1] // arrays['hidden'].shape[1]
    scaled = torch.nn.functional.normalize(embedding, dim=-1)
    reference.assert_all(
        name,
        {
            'clip_embedding_normalised': scaled,
            'hidden': hidden[:, ::step],
            'prefix': mapping(embedding),
            'prefix_normalised': mapping(normalised),
        },
    )
    mapping.normalize = True
    reference.assert_matches(name, 'prefix_normalised', mapping(embedding))


@pytest.mark.parametrize('name', fixture_params('caption_model'))
def test_captioning_model(reference: Reference, name: str) -> None:
    arrays, meta = reference.load(name)
    tokens, embedding, mask = networks.tensors(
        arrays, 'tokens', 'clip_embedding', 'mask'
    )
    mapping = ClipCapMapping(
        checkpoint=reference.weights(name),
        clip_dims=embedding.shape[1],
        prefix_length=meta['prefix_length'],
        embed_dims=meta['gpt2']['n_embd'],
    )
    mapping.init_weights()
    model = load_tool('captioner').load_captioner(
        mapping, num_heads=meta['gpt2']['n_head']
    )
    reference.assert_all(
        name,
        {
            'logits': model(tokens, embedding, mask),
            'train_loss': model.loss(tokens, embedding, mask),
        },
    )


@pytest.mark.parametrize(
    ('variant', 'clip_dims'), [('mlp', 512), ('transformer', 640)]
)
def test_names_of_a_published_file(variant: str, clip_dims: int) -> None:
    """Every tensor of the mapping goes somewhere, and none is missing."""
    torch.manual_seed(0)
    state = {
        key: torch.randn(shape) * 0.02
        for key, shape in listed(f'keys/clipcap_gpt2_{variant}.json').items()
        if not key.startswith('gpt.')
    }
    mapping = ClipCapMapping(variant, state, clip_dims=clip_dims)
    mapping.init_weights()
    assert mapping.prefix_shape == (10, 768)
    given = sum(value.numel() for value in state.values())
    assert sum(p.numel() for p in mapping.parameters()) == given
    assert mapping(torch.randn(2, clip_dims)).shape == (2, 10, 768)
