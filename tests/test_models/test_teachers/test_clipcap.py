from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor

from mmdet3d_act.models.teachers import ClipCapMapping
from mmdet3d_act.models.teachers import clipcap as module

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
    with pytest.raises(ValueError, match=r'\(B, 16\), got \(2, 12\)'):
        mapping_of('mlp')(x[:, :12])


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


WORDS = ['a', 'b', '.', '!']


def gpt2(seed: int = 0) -> transformers.GPT2LMHeadModel:
    torch.manual_seed(seed)
    sizes = dict(n_positions=32, n_embd=16, n_layer=1, n_head=2)
    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=len(WORDS), **sizes)
    ).eval()


def small_mapping(seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    shapes = {'0.weight': (16, 6), '0.bias': (16,)}
    shapes |= {'2.weight': (32, 16), '2.bias': (32,)}
    return {
        f'clip_project.model.{key}': torch.randn(shape)
        for key, shape in shapes.items()
    }


def whole(model: torch.nn.Module | None = None) -> dict[str, torch.Tensor]:
    """Return a captioning model with the published names."""
    model = model or gpt2()
    state = {f'gpt.{k}': v for k, v in model.state_dict().items()}
    # Buffers of the transformers of the time.
    state['gpt.transformer.h.0.attn.masked_bias'] = torch.tensor(-1e4)
    return {**small_mapping(), **state}


def loaded(checkpoint) -> ClipCapMapping:
    mapping = ClipCapMapping(
        checkpoint=checkpoint, clip_dims=6, prefix_length=2, embed_dims=16
    )
    mapping.init_weights()
    return mapping


class Letters:
    """A tokenizer of single letters."""

    def encode(self, text: str) -> list[int]:
        return [WORDS.index(letter) for letter in text]

    def decode(self, tokens: list[int]) -> str:
        return ''.join(WORDS[token] for token in tokens)


def test_caption_ends_with_its_sentence() -> None:
    language = gpt2()
    # A head that says "." whatever it sees.
    with torch.no_grad():
        language.transformer.wte.weight.zero_()
        language.transformer.wte.weight[2] = 5
        language.transformer.ln_f.weight.zero_()
        language.transformer.ln_f.bias.fill_(1)
    model = module.load_captioner(
        loaded(whole(language)), Letters(), num_heads=2
    )
    assert model.captions(torch.randn(2, 6)) == ['.', '.']


def test_language_model_that_does_not_fit() -> None:
    lacking = whole()
    del lacking['gpt.transformer.ln_f.bias']
    narrow = whole()
    narrow['gpt.transformer.wte.weight'] = torch.zeros(4, 8)
    for state, offender in (
        (lacking, r'ln_f\.bias'),
        (narrow, r'wte\.weight'),
        (small_mapping(), 'wpe'),
    ):
        with pytest.raises(ValueError, match=offender):
            module.load_captioner(loaded(state), Letters(), num_heads=2)
