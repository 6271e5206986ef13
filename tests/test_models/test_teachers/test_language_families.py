"""The layers of every family against the library's own model."""

from __future__ import annotations

import copy
import sys
from types import SimpleNamespace

import pytest
import torch
import transformers
from torch import Tensor, nn

from mmdet3d_act.models.teachers import LanguageTeacher
from mmdet3d_act.models.teachers import language_families as module

SIZES = {
    'hidden_size': 32,
    'num_hidden_layers': 3,
    'num_attention_heads': 4,
    'intermediate_size': 24,
}
# What makes a family differ from its defaults' easy case.
MORE = {
    'llama': {
        'num_key_value_heads': 2,
        'rope_parameters': {
            'rope_type': 'yarn',
            'rope_theta': 1e4,
            'factor': 4.0,
        },
    },
    'mistral': {'num_key_value_heads': 2, 'sliding_window': 2},
    'qwen3': {'num_key_value_heads': 4, 'head_dim': 16},
    'qwen2': {'num_key_value_heads': 2},
    'gemma': {'num_key_value_heads': 1, 'head_dim': 16},
    'gemma2': {'sliding_window': 2, 'query_pre_attn_scalar': 8},
    'gemma3_text': {
        'num_key_value_heads': 1,
        'sliding_window': 2,
        'layer_types': [
            'sliding_attention',
            'full_attention',
            'sliding_attention',
        ],
    },
    'modernbert': {'local_attention': 2, 'global_attn_every_n_layers': 2},
    'gpt2': {'scale_attn_by_inverse_layer_idx': True},
    'roberta': {'layer_norm_eps': 1e-3, 'hidden_act': 'relu'},
}
KINDS = sorted(module.FAMILIES)
CAUSAL = sorted(
    set(KINDS)
    - {'bert', 'roberta', 'xlm-roberta', 'camembert', 'electra'}
    - {'distilbert', 'mpnet', 'modernbert'}
)
LENGTH = 5


def settings_of(kind: str) -> dict:
    return {'model_type': kind, **SIZES, **MORE.get(kind, {})}


def library_model(kind: str) -> nn.Module:
    """Return a model of a family with words and random weights."""
    settings = settings_of(kind)
    token_ids = ('pad', 'bos', 'eos', 'cls', 'sep', 'mask')
    config = transformers.AutoConfig.for_model(
        settings.pop('model_type'),
        **settings,
        vocab_size=8,
        **{f'{name}_token_id': 0 for name in token_ids},
    )
    config._attn_implementation = 'eager'
    torch.manual_seed(1)
    network = transformers.AutoModel.from_config(config).eval()
    for value in network.parameters():
        # So that biases and norms count, and layers change their input.
        value.data.add_(0.2 * torch.randn_like(value))
    return network


def teacher(kind: str, weights: dict, **kwargs) -> LanguageTeacher:
    model = LanguageTeacher(
        'mine',
        weights,
        config=settings_of(kind),
        in_channels=6,
        out_channels=6,
        num_prompts=0,
        **kwargs,
    )
    model.init_weights()
    return model.eval()


def inputs() -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(0)
    tokens = torch.rand(2, LENGTH, 6, generator=source)
    return tokens, torch.rand(2, LENGTH, 3, generator=source)


@torch.no_grad()
def library_states(network: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    """Return the library's own hidden states, all tokens visible."""
    family = module.FAMILIES[network.config.model_type]
    states = []
    layers = network.get_submodule(family.layers)
    for layer in layers:
        layer.register_forward_hook(
            lambda _, args, output: states.append(
                output[0] if isinstance(output, tuple) else output
            )
        )
    skip_embeddings(network)
    visible = torch.zeros(1, 1, LENGTH, LENGTH)
    masks = visible
    if network.config.model_type in {'gemma2', 'gemma3_text', 'modernbert'}:
        masks = dict.fromkeys(('full_attention', 'sliding_attention'), visible)
    last = network(
        inputs_embeds=x,
        attention_mask=masks,
        position_ids=torch.zeros(1, LENGTH, dtype=torch.long),
    ).last_hidden_state
    return (*states, last)


class NoEmbedding(nn.Module):
    """Returns the embeddings that a model is given, without positions."""

    def forward(self, input_ids=None, inputs_embeds=None, *args, **kwargs):
        return input_ids if inputs_embeds is None else inputs_embeds


def skip_embeddings(network: nn.Module) -> None:
    """Take position and type embeddings, and position tables, off a model."""
    for name in ('embeddings', 'embeddings_project'):
        if hasattr(network, name):
            setattr(network, name, NoEmbedding())
    for path in (
        'wpe.weight',
        'decoder.embed_positions.weight',
        'encoder.relative_attention_bias.weight',
    ):
        if path in network.state_dict():
            nn.init.zeros_(network.get_parameter(path))


@pytest.mark.parametrize('kind', KINDS)
def test_equals_the_model_of_the_library(kind: str) -> None:
    network = library_model(kind)
    model = teacher(kind, network.state_dict())
    with torch.no_grad():
        found = model.forward_hidden(*inputs())
        first = found.projected + found.position
        *states, last = library_states(network, first)
        quick = model(*inputs())
    assert len(states) == len(found.blocks) == 3
    for got, want in zip(found.blocks, states, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
    got = found.blocks[-1] if found.normed is None else found.normed
    torch.testing.assert_close(got, last, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(quick, found.output, rtol=1e-5, atol=1e-5)
    assert (states[0] - states[2]).abs().max() > 0.1


@pytest.mark.parametrize('kind', CAUSAL)
def test_decoders_see_later_tokens(kind: str) -> None:
    """The library's own run does not; the teacher's does."""
    network = library_model(kind)
    model = teacher(kind, network.state_dict())
    tokens, centers = inputs()
    changed = tokens.clone()
    changed[:, -1] += 1
    with torch.no_grad():
        moved = (model(changed, centers) - model(tokens, centers)).abs()
        x = torch.rand(1, LENGTH, 32)
        y = x.clone()
        y[:, -1] += 1
        own = [
            network(inputs_embeds=one).last_hidden_state[:, :-1]
            for one in (x, y)
        ]
    assert moved.amax(-1).min() > 1e-4
    torch.testing.assert_close(own[0], own[1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('kind', ['llama', 'gpt_neox', 'modernbert'])
def test_order_of_tokens_means_nothing(kind: str) -> None:
    """Without rotary positions the layers are equivariant."""
    model = teacher(kind, library_model(kind).state_dict())
    tokens, centers = inputs()
    order = torch.tensor([3, 0, 4, 2, 1])
    with torch.no_grad():
        want = model(tokens, centers)[:, order]
        got = model(tokens[:, order], centers[:, order])
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('kind', ['gpt2', 'qwen2', 'gemma3_text', 'opt'])
def test_deep_prompts_and_gradients(kind: str) -> None:
    model = LanguageTeacher(
        config=settings_of(kind),
        in_channels=6,
        out_channels=6,
        num_prompts=2,
        pretrained=False,
        num_layers=2,
    ).train()
    assert len(model.transformer.blocks) == 2
    output = model(*inputs())
    output.square().sum().backward()
    assert model.prompts.tokens.grad.flatten(1).norm(dim=1).min() > 0
    assert model.proj_in.weight.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in model.transformer.parameters())
    model.eval()
    torch.testing.assert_close(
        model(*inputs()), model.forward_hidden(*inputs()).output
    )


def test_a_copy_works_on_its_own() -> None:
    model = teacher('llama', library_model('llama').state_dict())
    twin = copy.deepcopy(model)
    assert torch.equal(twin(*inputs()), model(*inputs()))
    assert (
        twin.double()(*(value.double() for value in inputs())).dtype
        == torch.float64
    )


def test_attention_scaling_of_long_context_models_is_kept() -> None:
    found = module.build_encoder(
        module.language_settings('x', settings_of('llama')), num_layers=1
    )
    (hook,) = found.layers[0]._forward_pre_hooks.values()
    assert hook.width == 8
    assert hook.scale == pytest.approx(0.1 * torch.tensor(4.0).log() + 1)


def test_random_weights_are_the_librarys() -> None:
    found = module.build_encoder(
        module.language_settings('gpt2', settings_of('gpt2'))
    )
    weight = found.layers[0].attn.c_attn.weight
    assert weight.std().item() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize(
    ('settings', 'match'),
    [
        ({'model_type': 'deberta-v2'}, 'table of relative positions'),
        ({'model_type': 'bloom'}, 'ALiBi'),
        ({'model_type': 'albert'}, 'one set of weights'),
        ({'model_type': 'whisper'}, "kind is 'whisper'.*expected one of bert"),
        ({'position_embedding_type': 'relative_key'}, "'relative_key'"),
        (
            {'model_type': 'llama', 'quantization_config': {'bits': 4}},
            'quantised',
        ),
    ],
)
def test_refused(settings: dict, match: str) -> None:
    with pytest.raises(ValueError, match=f"'x' cannot be .*{match}"):
        module.language_settings('x', settings)
    assert LanguageTeacher.refusal('x', config=settings) is not None


def test_known_sizes() -> None:
    for name in module.KNOWN_CONFIGS:
        assert LanguageTeacher.refusal(name) is None
    assert LanguageTeacher.list_models() == sorted(module.KNOWN_CONFIGS)
    settings = module.language_settings('FacebookAI/roberta-base')
    assert settings['layer_norm_eps'] == 1e-5
    facts = LanguageTeacher.describe('gpt2')
    assert facts[:3] == (768, 12, 12)
    # 12 width^2 weights and 13 width biases and norms a layer; last norm.
    assert facts.num_parameters == 12 * (12 * 768**2 + 13 * 768) + 2 * 768
    with pytest.raises(ValueError, match=r'sizes .* are not known here'):
        LanguageTeacher.describe('no/such-model')


def test_too_old_library(monkeypatch: pytest.MonkeyPatch) -> None:
    old = SimpleNamespace(__version__='4.40.0')
    monkeypatch.setitem(sys.modules, 'transformers', old)
    with pytest.raises(ImportError, match=r'4\.40\.0 has no Qwen3Config; upd'):
        module.build_encoder(settings_of('qwen3'))
