"""Weights of language models: one file, parts, folders, the hub's cache."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.utils import LocalEntryNotFoundError
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from mmdet3d_act.models.teachers import LanguageTeacher
from mmdet3d_act.models.teachers import language_files as module

HUB_ID = 'someone/tiny-llama'


@pytest.fixture(scope='module')
def llama() -> LlamaForCausalLM:
    config = LlamaConfig(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=3,
        num_attention_heads=2,
        vocab_size=8,
        bos_token_id=0,
        eos_token_id=0,
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    return LlamaForCausalLM(config).to(torch.bfloat16)


@pytest.fixture
def folder(llama: LlamaForCausalLM, tmp_path: Path) -> Path:
    """A folder with the weights in parts, as transformers writes them."""
    path = tmp_path / 'parts'
    llama.save_pretrained(path, max_shard_size='4KB')
    assert len(list(path.glob('*.safetensors'))) > 2
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub."""
    path = tmp_path / 'hub'
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(path))
    return path


def put_into_cache(folder: Path, cache: Path) -> Path:
    root = cache / f'models--{HUB_ID.replace("/", "--")}'
    (root / 'refs').mkdir(parents=True)
    (root / 'refs' / 'main').write_text('abc')
    return Path(shutil.copytree(folder, root / 'snapshots' / 'abc'))


def teacher(model: object, **kwargs) -> LanguageTeacher:
    return LanguageTeacher(
        model, in_channels=4, out_channels=4, num_prompts=0, **kwargs
    )


def check_weights(model: LanguageTeacher, llama: LlamaForCausalLM) -> None:
    model.init_weights()
    for mine, its in zip(
        model.transformer.blocks, llama.model.layers, strict=False
    ):
        want = its.mlp.up_proj.weight.float()
        assert mine.mlp.up_proj.weight.dtype == torch.float32
        assert torch.equal(mine.mlp.up_proj.weight, want)


def test_parts(folder: Path, llama: LlamaForCausalLM) -> None:
    check_weights(teacher(folder), llama)
    index = folder / 'model.safetensors.index.json'
    assert LanguageTeacher.locate(str(folder)) == str(index)
    check_weights(teacher(index), llama)


def test_parts_that_are_not_needed_stay_closed(
    folder: Path, llama: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, opened = module.read_weights, []
    monkeypatch.setattr(
        module,
        'read_weights',
        lambda path: opened.append(path.name) or read(path),
    )
    check_weights(teacher(folder, num_layers=1), llama)
    assert 0 < len(opened) < len(list(folder.glob('*.safetensors')))


def test_a_missing_part_is_named(folder: Path) -> None:
    lost = sorted(folder.glob('*.safetensors'))[1]
    lost.unlink()
    with pytest.raises(FileNotFoundError, match=f'{lost.name} not beside it'):
        teacher(folder).init_weights()
    (problem,) = LanguageTeacher.check_requirements({'model': str(folder)})
    assert 'incomplete' in problem


def test_no_index(tmp_path: Path) -> None:
    path = tmp_path / 'model.safetensors.index.json'
    path.write_text('{"metadata": {}}')
    with pytest.raises(ValueError, match='expected JSON with a "weight_map"'):
        module.missing_shards(path)


@pytest.mark.parametrize('name', ['someone/tiny-llama', 'tiny-llama'])
def test_folder_among_the_teachers(
    name: str,
    folder: Path,
    llama: LlamaForCausalLM,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path / 'data'))
    with pytest.raises(ValueError, match='sizes of the language model'):
        teacher(name)
    (problem,) = LanguageTeacher.check_requirements({'model': name})
    where = tmp_path / 'data' / 'teachers' / 'tiny-llama'
    assert f'into {where}/' in problem
    shutil.copytree(folder, where)
    check_weights(teacher(name), llama)
    assert LanguageTeacher.check_requirements({'model': name}) == []


def test_lone_file_among_the_teachers(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    assert module.locate('gpt2') == (None, None)
    path = tmp_path / 'teachers' / 'gpt2.safetensors'
    path.parent.mkdir()
    save_file({'x': torch.zeros(1)}, path)
    assert module.locate('gpt2').weights == path
    assert module.locate('openai-community/gpt2').weights == path
    with pytest.raises(ValueError, match='does not fit ModuleList'):
        teacher('gpt2', num_layers=1).init_weights()


def test_cache_of_the_hub(
    folder: Path, llama: LlamaForCausalLM, cache: Path
) -> None:
    assert module.locate(HUB_ID) == (None, None)
    cached = put_into_cache(folder, cache)
    check_weights(teacher(HUB_ID), llama)
    assert LanguageTeacher.check_requirements({'model': HUB_ID}) == []
    sorted(cached.glob('*.safetensors'))[0].unlink()
    assert module.locate(HUB_ID).weights is None
    assert module.locate(HUB_ID).config == cached / 'config.json'
    assert 'from_pretrained' in module.absent(HUB_ID, None)


def test_download_is_not_the_constructors(
    folder: Path,
    llama: LlamaForCausalLM,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def fetch(hub_id: str, name: str) -> str:
        asked.append((hub_id, name))
        source = folder / name
        if not source.exists():
            raise huggingface_hub.utils.EntryNotFoundError(name)
        target = cache / name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(source, target)
        return str(target)

    monkeypatch.setattr(huggingface_hub, 'hf_hub_download', fetch)
    settings = json.loads((folder / 'config.json').read_text())
    model = teacher(HUB_ID, config=settings)
    assert asked == []
    check_weights(model, llama)
    assert [name for _, name in asked[:2]] == list(module.WEIGHT_FILES[:2])
    parts = {name for _, name in asked[2:]}
    assert parts == {path.name for path in folder.glob('*.safetensors')}
    assert {hub_id for hub_id, _ in asked} == {HUB_ID}


def test_no_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fetch(hub_id: str, name: str) -> str:
        asked.append(hub_id)
        raise LocalEntryNotFoundError('offline')

    monkeypatch.setattr(huggingface_hub, 'hf_hub_download', fetch)
    model = teacher('gpt2', num_layers=1)
    with pytest.raises(
        FileNotFoundError, match=r"from_pretrained\('gpt2'\).*: offline\)"
    ):
        model.init_weights()
    assert asked == ['openai-community/gpt2']


def test_minilm_from_the_hub_is_the_same_file() -> None:
    assert module.short_name(f'sentence-transformers/{module.MINILM}') == (
        module.MINILM
    )
    hub = module.locate(f'sentence-transformers/{module.MINILM}')
    assert hub == module.locate(module.MINILM)


def test_names_of_heads_are_taken_off() -> None:
    assert module.present_name('model.layers.0.mlp.x') == 'layers.0.mlp.x'
    name = 'bert.embeddings.LayerNorm.gamma'
    assert module.present_name(name) == 'bert.embeddings.LayerNorm.weight'
