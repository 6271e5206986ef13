"""Where weights are looked for, and what is said where they are missing."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub
import numpy as np
import open_clip
import pytest
import timm
import torch
from huggingface_hub import constants
from huggingface_hub.utils import LocalEntryNotFoundError
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

from mmdet3d_act.models.teachers import (
    LanguageTeacher,
    OpenCLIPImageEncoder,
    OpenCLIPTeacher,
    TimmImageEncoder,
    TimmTeacher,
)
from mmdet3d_act.models.teachers.pretrained import (
    WeightSource,
    import_library,
)
from tests.small_data import ROOT

STATE = {'a.weight': torch.tensor([[1.0, 2.5]]), 'a.bias': torch.ones(1)}
SOURCE = WeightSource('net', ('net.tag', 'net'), 'some/net')


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of teachers, beside an empty cache of the hub."""
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path / 'hub'))
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'teachers').mkdir()
    return tmp_path / 'teachers'


def write(path: Path, state: dict) -> Path:
    if path.suffix == '.npz':
        np.savez(path, **{k: v.numpy() for k, v in state.items()})
    elif path.suffix == '.safetensors':
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


def into_cache(folder: Path, hub_id: str, file: str, state: dict) -> Path:
    name = f'models--{hub_id.replace("/", "--")}'
    root = folder.parent / 'hub' / name
    (root / 'refs').mkdir(parents=True)
    (root / 'refs' / 'main').write_text('abc')
    path = root / 'snapshots' / 'abc' / file
    path.parent.mkdir(parents=True)
    return write(path, state)


@pytest.mark.parametrize(
    ('suffix', 'prefix'),
    [('.pth', ''), ('.safetensors', 'module.'), ('.npz', 'backbone.')],
)
def test_formats(folder: Path, suffix: str, prefix: str) -> None:
    state = {prefix + key: value.half() for key, value in STATE.items()}
    write(folder / f'net{suffix}', state)
    read, name = SOURCE.read()
    assert name == f'net{suffix}'
    assert read.keys() == STATE.keys()
    assert torch.equal(read['a.weight'].float(), STATE['a.weight'])


def test_order_of_places(folder: Path) -> None:
    assert SOURCE.find() is None
    cached = into_cache(folder, 'some/net', 'pytorch_model.bin', STATE)
    assert SOURCE.find() == cached
    assert SOURCE.read()[1] == 'net'
    plain = write(folder / 'net.npz', STATE)
    assert SOURCE.find() == plain
    tagged = write(folder / 'net.tag.pth', STATE)
    assert SOURCE.find() == tagged
    own = WeightSource('net', ('net',), folders=(folder / 'own',))
    (folder / 'own').mkdir()
    write(folder / 'own' / 'model.safetensors', STATE)
    assert own.find() == folder / 'own' / 'model.safetensors'


def test_named_files(folder: Path) -> None:
    here = write(folder.parent / 'vit.pth', STATE)
    assert SOURCE.find('vit.pth').resolve() == here
    there = write(folder / 'vit.pth', STATE)
    assert SOURCE.find('vit.pth') == there
    assert SOURCE.find(here) == here
    assert SOURCE.read('vit.pth')[1] == 'vit.pth'
    assert SOURCE.read(STATE) == (STATE, None)


def test_download(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only by ``read``; the first file that the repository has."""

    def fetch(hub_id: str, file: str, *, local_files_only: bool) -> str:
        if local_files_only or file != 'pytorch_model.bin':
            raise LocalEntryNotFoundError('offline')
        return str(write(folder.parent / file, STATE))

    monkeypatch.setattr(huggingface_hub, 'hf_hub_download', fetch)
    assert SOURCE.find() is None
    assert SOURCE.read()[1] == 'net'
    other = WeightSource('net', ('net',), 'some/net', files=('x.bin',))
    with pytest.raises(FileNotFoundError, match=r'some/net.*offline'):
        other.read()
    with pytest.raises(FileNotFoundError, match=r'gone\.pth'):
        SOURCE.read('gone.pth')
    # No name that the hub could have.
    assert WeightSource('a', ('a',), 'some/deep/folder').find() is None


def test_library_that_is_not_installed() -> None:
    with pytest.raises(ImportError, match=r'none_such.*mmdet3d_act\[demo\]'):
        import_library('none_such', 'demo')


VIT = {'embed_dim': 16, 'depth': 3, 'num_heads': 2}
CLIP = {
    'width': 32,
    'layers': 3,
    'head_width': 16,
    'image_size': 32,
    'patch_size': 16,
}
BERT = {
    'hidden_size': 16,
    'num_hidden_layers': 3,
    'num_attention_heads': 2,
    'intermediate_size': 24,
}


def vit() -> dict:
    network = timm.create_model('vit_tiny_patch16_224', **VIT, num_classes=0)
    return network.state_dict()


def clip() -> dict:
    text = {'width': 32, 'layers': 1, 'heads': 2, 'vocab_size': 8}
    return open_clip.CLIP(512, CLIP, text).state_dict()


def bert() -> dict:
    return BertModel(BertConfig(**BERT, vocab_size=8)).state_dict()


# Class, its settings, the library's state dict, its name in the folder.
CASES = {
    'timm': (
        TimmTeacher,
        {'model_name': 'vit_tiny_patch16_224', 'model_args': VIT},
        vit,
        'vit_tiny_patch16_224',
    ),
    'open_clip': (
        OpenCLIPTeacher,
        {
            'model_name': 'ViT-B-16',
            'model_args': CLIP,
            'pretrained_tag': 'openai',
        },
        clip,
        'ViT-B-16.openai',
    ),
    'language': (
        LanguageTeacher,
        {'model': 'bert-base-uncased', 'config': BERT},
        bert,
        'bert-base-uncased',
    ),
    'timm image': (
        TimmImageEncoder,
        {'model_name': 'vit_tiny_patch16_224', 'model_args': VIT},
        vit,
        'vit_tiny_patch16_224',
    ),
    'open_clip image': (
        OpenCLIPImageEncoder,
        {'model_args': CLIP},
        clip,
        'ViT-B-32-quickgelu.openai',
    ),
}


def build(kind: str, **settings) -> torch.nn.Module:
    cls, own, _, _ = CASES[kind]
    if 'image' not in kind:
        settings = {'in_channels': 4, 'out_channels': 4, **settings}
    return cls(**{**own, **settings})


@pytest.mark.parametrize('kind', CASES)
def test_life_of_a_teacher(kind: str, folder: Path) -> None:
    """Nothing is read by the constructor; missing weights are named."""
    cls, settings, make, name = CASES[kind]
    option = 'checkpoint' if 'image' in kind else 'weights'
    (problem,) = cls.check_requirements(settings)
    assert str(folder / name) in problem
    assert 'hf_hub_download' in problem
    assert cls.check_requirements({**settings, 'pretrained': False}) == []
    (problem,) = cls.check_requirements({**settings, option: 'gone.pth'})
    assert str(folder / 'gone.pth') in problem
    assert 'hf_hub_download' in problem
    teacher = build(kind)
    torch.manual_seed(1)
    state = make()
    write(folder / f'{name}.pth', state)
    assert cls.check_requirements(settings) == []
    teacher.init_weights()
    frozen = teacher.frozen if 'image' in kind else teacher.encoder
    assert frozen.source == f'{name}.pth'
    values = {value.sum().item() for value in state.values()}
    assert {p.sum().item() for p in frozen.parameters()} <= values
    assert not any(p.requires_grad for p in frozen.parameters())
    teacher.train()
    assert not any(part.training for part in frozen.modules())


@pytest.mark.parametrize('kind', CASES)
def test_weights_that_do_not_fit(kind: str, folder: Path) -> None:
    _, _, make, _ = CASES[kind]
    option = 'checkpoint' if 'image' in kind else 'weights'
    state = make()
    words = {'timm': 'blocks.2.mlp', 'open_clip': 'visual.transformer.resb'}
    word = words.get(kind.partition(' ')[0], 'layer.2.output.dense')
    name = next(k for k, v in state.items() if word in k and v.ndim == 2)
    lacking = {key: value for key, value in state.items() if key != name}
    other = {**state, name: state[name][:, :1]}
    for bad in (lacking, other):
        with pytest.raises(ValueError, match=name.rpartition('.')[2]):
            build(kind, **{option: bad}).init_weights()


@pytest.mark.parametrize('kind', ['timm', 'open_clip', 'language'])
def test_first_layers(kind: str) -> None:
    _, _, make, _ = CASES[kind]
    teacher = build(kind, weights=make(), num_layers=2)
    teacher.init_weights()
    assert len(teacher.transformer.blocks) == 2
    assert len(teacher.prompts.tokens) == 2
    # No file gives these weights again, so checkpoints hold them.
    assert any(
        'encoder.module.blocks.1' in key for key in teacher.state_dict()
    )
    for number in (0, 4):
        with pytest.raises(ValueError, match='num_layers'):
            build(kind, num_layers=number)


def test_recipe_of_the_docs(folder: Path) -> None:
    """A kind of teacher in one class, as docs/teachers.md shows it."""
    text = (ROOT / 'docs' / 'teachers.md').read_text(encoding='utf-8')
    code = text.partition('torchvision:')[2].split('```')[1]
    code = code.removeprefix('python').replace('@MODELS.register_module()', '')
    names: dict = {}
    exec(code, names)
    kind = names['TorchvisionTeacher']
    (problem,) = kind.check_requirements({})
    assert str(folder / 'vit_b_16') in problem
    with torch.device('meta'):
        encoder = kind.build_encoder()
    assert encoder.spec()[:2] == (768, 12)
    assert encoder.names['norm.bias'] == 'encoder.ln.bias'
