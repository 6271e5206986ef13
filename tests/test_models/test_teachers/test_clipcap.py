from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from mmdet3d_act.models.teachers import ClipCapMapping

SIZES = dict(clip_dims=16, prefix_length=3, embed_dims=8)


def published(variant: str, seed: int = 0) -> dict[str, Tensor]:
    """Return a small captioning model with the published names."""
    torch.manual_seed(seed)
    gpt = {'gpt.transformer.wte.weight': torch.randn(5, 8)}
    if variant == 'mlp':
        shapes = {
            'model.0.weight': (12, 16),
            'model.0.bias': (12,),
            'model.2.weight': (24, 12),
            'model.2.bias': (24,),
        }
    else:
        shapes = {
            'prefix_const': (3, 8),
            'linear.weight': (16, 16),
            'linear.bias': (16,),
        }
        for i in range(2):
            layer = f'transformer.layers.{i}.'
            shapes |= {
                f'{layer}norm1.weight': (8,),
                f'{layer}norm1.bias': (8,),
                f'{layer}attn.to_queries.weight': (8, 8),
                f'{layer}attn.to_keys_values.weight': (16, 8),
                f'{layer}attn.project.weight': (8, 8),
                f'{layer}attn.project.bias': (8,),
                f'{layer}norm2.weight': (8,),
                f'{layer}norm2.bias': (8,),
                f'{layer}mlp.fc1.weight': (16, 8),
                f'{layer}mlp.fc1.bias': (16,),
                f'{layer}mlp.fc2.weight': (8, 16),
                f'{layer}mlp.fc2.bias': (8,),
            }
    mapping = {f'clip_project.{k}': torch.randn(s) for k, s in shapes.items()}
    return {**mapping, **gpt}


def mapping_of(variant: str, state=None, **settings) -> ClipCapMapping:
    more = dict(clip_length=2, num_layers=2, num_heads=2)
    settings = {**SIZES, **(more if variant != 'mlp' else {}), **settings}
    state = published(variant) if state is None else state
    mapping = ClipCapMapping(variant, state, **settings)
    mapping.init_weights()
    return mapping


def written_out(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """The Transformer's formulas, one head after the other."""
    state = {
        k.removeprefix('clip_project.'): v.double() for k, v in state.items()
    }
    x = x.double() @ state['linear.weight'].T + state['linear.bias']
    x = torch.cat([x.view(2, 8), state['prefix_const']])

    def norm(x: Tensor, name: str) -> Tensor:
        x = x - x.mean(dim=1, keepdim=True)
        x = x / (x.var(dim=1, correction=0, keepdim=True) + 1e-5).sqrt()
        return x * state[f'{name}.weight'] + state[f'{name}.bias']

    for i in range(2):
        layer = f'transformer.layers.{i}.'
        normed = norm(x, f'{layer}norm1')
        query = normed @ state[f'{layer}attn.to_queries.weight'].T
        both = normed @ state[f'{layer}attn.to_keys_values.weight'].T
        heads = []
        for head in (slice(0, 4), slice(4, 8)):
            key, value = both[:, :8][:, head], both[:, 8:][:, head]
            weights = (query[:, head] @ key.T / 2).softmax(dim=1)
            heads.append(weights @ value)
        attended = torch.cat(heads, dim=1)
        attended = attended @ state[f'{layer}attn.project.weight'].T
        x = x + attended + state[f'{layer}attn.project.bias']
        hidden = norm(x, f'{layer}norm2') @ state[f'{layer}mlp.fc1.weight'].T
        hidden = (hidden + state[f'{layer}mlp.fc1.bias']).clamp_min(0)
        x = x + hidden @ state[f'{layer}mlp.fc2.weight'].T
        x = x + state[f'{layer}mlp.fc2.bias']
    return x[2:]


def test_transformer() -> None:
    state = published('transformer')
    x = torch.randn(2, 16)
    want = torch.stack([written_out(state, row) for row in x]).float()
    got = mapping_of('transformer', state)(x)
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)
    assert not got.requires_grad


@pytest.mark.parametrize('variant', ['mlp', 'transformer'])
def test_mapping_that_was_saved_alone(variant: str) -> None:
    x = torch.randn(2, 16)
    head = 'clip_project.'
    state = published(variant)
    state = {k.removeprefix(head): state[k] for k in state if head in k}
    assert torch.equal(mapping_of(variant, state)(x), mapping_of(variant)(x))


@pytest.mark.parametrize(
    ('variant', 'settings'),
    [
        ('lstm', {}),
        ('mlp', {'clip_dims': 512}),
        ('mlp', {'state': {'head.weight': torch.ones(1)}}),
        ('mlp', {'state': published('transformer')}),
        ('transformer', {'num_layers': 3}),
        ('transformer', {'clip_length': 3}),
    ],
)
def test_other_mappings_are_refused(variant: str, settings: dict) -> None:
    with pytest.raises(ValueError, match=variant):
        mapping_of(variant, **settings)


def test_published_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    check = ClipCapMapping.check_requirements
    (problem,) = check({})
    assert 'conceptual_weights' in problem
    assert 'rmokady/CLIP_prefix_caption' in problem
    assert check({'pretrained': False}) == []
    (tmp_path / 'teachers').mkdir()
    torch.save(published('mlp'), tmp_path / 'teachers/conceptual_weights.pt')
    assert check({}) == []
    mapping = ClipCapMapping(**SIZES)
    mapping.init_weights()
    assert mapping.frozen.source == 'conceptual_weights.pt'
