"""The command line of the computing of targets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.paired_images import ENCODER, weights

from .loading import load_tool

pytest.importorskip('mmdet3d')
tool = load_tool('cache_teacher')

CONFIG = """
encoder = dict({encoder}, checkpoint='vit.pth')
teacher = dict(type='ImageEmbeddingTarget', encoder=encoder)
mapping = dict(
    type='ClipCapMapping', checkpoint='cap.pt', clip_dims=16,
    prefix_length=2, embed_dims=64)
caption = dict(type='CaptionPrefixTarget', encoder=encoder, mapping=mapping)
stored = dict(type='StoredTarget', path='{stores}', teacher=teacher)
# The tool asks no more of a model than where its target generators are.
both = [teacher, caption]
model = dict(
    type='Distiller', objectives=dict(a=dict(target_generator={target})))
train_dataloader = dict(dataset=dict(type='MadeUpPairs', count=3))
val_dataloader = dict(dataset=dict(type='MadeUpPairs', count=2, first=8))
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch):
    """Write a config whose target generator is of one kind."""
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    (tmp_path / 'teachers').mkdir()
    torch.save(weights(), tmp_path / 'teachers' / 'vit.pth')

    def write(target: str) -> str:
        path = tmp_path / f'{target}.py'
        path.write_text(
            CONFIG.format(
                encoder=ENCODER, stores=tmp_path / 'stores', target=target
            )
        )
        return str(path)

    return write


def write_caption_model(folder: Path) -> None:
    """Write a captioning model that says "a cat.", and its tokenizer."""
    transformers = pytest.importorskip('transformers')
    words = {'a': 0, 'c': 1, 't': 2, '.': 3, 'Ġ': 4, 'at': 5, 'Ġc': 6}
    words |= {'Ġcat': 7, '<|endoftext|>': 8}
    sizes = dict(vocab_size=9, n_positions=128, n_embd=64, n_layer=1, n_head=1)
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes))
    state = {f'gpt.{k}': v for k, v in model.state_dict().items()}
    # Block and prefix say nothing; a place alone says which word follows.
    for key, value in state.items():
        if 'h.0' in key and 'ln' not in key:
            value.zero_()
    place = torch.eye(64)
    state['gpt.transformer.wte.weight'] = 9 * place[:9]
    state['gpt.transformer.wpe.weight'].zero_()
    for index, word in ((1, 'a'), (2, 'Ġcat'), (3, '.')):
        row = state['gpt.transformer.wpe.weight'][index]
        row.copy_(99 * place[words[word]])
    shapes = {'0.weight': (64, 16), '0.bias': (64,)}
    shapes |= {'2.weight': (128, 64), '2.bias': (128,)}
    for key, shape in shapes.items():
        state[f'clip_project.model.{key}'] = torch.zeros(shape)
    torch.save(state, folder / 'cap.pt')
    (folder / 'gpt2').mkdir()
    (folder / 'gpt2' / 'vocab.json').write_text(json.dumps(words))
    (folder / 'gpt2' / 'merges.txt').write_text(
        '#version: 0.2\na t\nĠ c\nĠc at\n'
    )


def test_captions_are_printed(
    config, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write_caption_model(tmp_path / 'teachers')
    for target in ('caption', 'both'):
        assert tool.main([config(target), '--captions', '2']) == 0
        said = capsys.readouterr().out
        assert 'targets of shape (2, 64)' in said
        assert said.count('scene/000: a cat.\nscene/001: a cat.\n') == 1
        # Before the hours of computing; what cannot be read has none.
        assert said.index('a cat') < said.index('targets of shape (2, 64)')


def test_what_is_missing_is_said(
    config, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / 'teachers' / 'vit.pth').unlink()
    assert tool.main([config('stored')]) == 2
    assert 'vit.pth are missing' in capsys.readouterr().err
    assert not (tmp_path / 'stores').exists()
