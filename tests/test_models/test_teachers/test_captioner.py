from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mmdet3d_act.models.teachers import ClipCapMapping, captioner

transformers = pytest.importorskip('transformers')

WORDS = ['a', 'b', '.', '!']


def gpt2(seed: int = 0) -> transformers.GPT2LMHeadModel:
    torch.manual_seed(seed)
    sizes = dict(n_positions=32, n_embd=16, n_layer=1, n_head=2)
    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=len(WORDS), **sizes)
    ).eval()


def mapping_state(seed: int = 0) -> dict[str, torch.Tensor]:
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
    return {**mapping_state(), **state}


def mapping_of(checkpoint) -> ClipCapMapping:
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


def test_logits_equal_transformers() -> None:
    mapping = mapping_of(whole())
    model = captioner.load_captioner(mapping, Letters(), num_heads=2)
    tokens, embedding = torch.tensor([[1, 2], [3, 0]]), torch.randn(2, 6)
    language = gpt2()
    words = language.transformer.wte(tokens)
    with torch.no_grad():
        whole_input = torch.cat([mapping(embedding), words], dim=1)
        want = language(inputs_embeds=whole_input).logits
    torch.testing.assert_close(model(tokens, embedding), want)
    log = want[:, 1:-1].log_softmax(dim=-1)
    loss = -(log[0, 0, 1] + log[0, 1, 2] + log[1, 0, 3]) / 3
    torch.testing.assert_close(model.loss(tokens, embedding), loss)


def test_captions_are_the_most_likely_sentences() -> None:
    model = captioner.load_captioner(
        mapping_of(whole()), Letters(), num_heads=2
    )
    embedding = torch.randn(1, 6)
    (greedy,) = model.captions(embedding, num_beams=1, max_words=6)
    said: list[int] = []
    for _ in range(6):
        tokens = torch.tensor([said], dtype=torch.long)
        said.append(int(model(tokens, embedding)[0, -1].argmax()))
        if WORDS[said[-1]] == '.':
            break
    assert greedy == Letters().decode(said)
    (beam,) = model.captions(embedding, num_beams=3, max_words=6)
    assert 1 <= len(beam) <= 6
    assert set(beam) <= set(WORDS)


def test_caption_ends_with_its_sentence() -> None:
    language = gpt2()
    # A head that says "." whatever it sees.
    with torch.no_grad():
        language.transformer.wte.weight.zero_()
        language.transformer.wte.weight[2] = 5
        language.transformer.ln_f.weight.zero_()
        language.transformer.ln_f.bias.fill_(1)
    model = captioner.load_captioner(
        mapping_of(whole(language)), Letters(), num_heads=2
    )
    assert model.captions(torch.randn(2, 6)) == ['.', '.']


def test_gpt2_of_the_machine(tmp_path: Path, monkeypatch) -> None:
    """A mapping that was saved alone goes with GPT-2's own weights."""
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    monkeypatch.setattr(captioner, 'absent', lambda model, weights: 'no GPT-2')
    with pytest.raises(FileNotFoundError, match='no GPT-2'):
        captioner.load_captioner(mapping_of(mapping_state()), Letters())
    monkeypatch.undo()
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    (tmp_path / 'teachers').mkdir()
    torch.save(
        gpt2().transformer.state_dict(), tmp_path / 'teachers' / 'gpt2.pth'
    )
    alone = captioner.load_captioner(
        mapping_of(mapping_state()), Letters(), num_heads=2
    )
    both = captioner.load_captioner(
        mapping_of(whole()), Letters(), num_heads=2
    )
    tokens, embedding = torch.tensor([[1, 2]]), torch.randn(1, 6)
    torch.testing.assert_close(
        alone(tokens, embedding), both(tokens, embedding)
    )


def test_language_model_that_does_not_fit() -> None:
    state = whole()
    del state['gpt.transformer.ln_f.bias']
    with pytest.raises(ValueError, match=r'1 missing: ln_f\.bias'):
        captioner.load_captioner(mapping_of(state), Letters(), num_heads=2)
    with pytest.raises(ValueError, match='holds no GPT-2'):
        captioner.build_gpt2({'wte.weight': torch.ones(1)}, 'file')
    narrow = whole()
    narrow['gpt.transformer.wte.weight'] = torch.zeros(4, 8)
    with pytest.raises(ValueError, match='of another shape'):
        captioner.load_captioner(mapping_of(narrow), Letters(), num_heads=2)


def test_tokenizer_of_the_teacher_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    folder = tmp_path / 'teachers' / 'gpt2'
    folder.mkdir(parents=True)
    words = {'a': 0, 'c': 1, 't': 2, '.': 3, 'Ġ': 4, 'at': 5, 'Ġc': 6}
    words |= {'Ġcat': 7, '<|endoftext|>': 8}
    (folder / 'vocab.json').write_text(json.dumps(words))
    (folder / 'merges.txt').write_text('#version: 0.2\na t\nĠ c\nĠc at\n')
    tokenizer = captioner.find_tokenizer()
    assert list(tokenizer.encode('a cat.')) == [0, 7, 3]
    assert tokenizer.decode([0, 7, 3]) == 'a cat.'


def test_missing_tokenizer(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv('ACT_DATA_ROOT', str(tmp_path))
    monkeypatch.setattr(captioner, 'find_tokenizer', lambda: None)
    model = captioner.load_captioner(mapping_of(whole()), num_heads=2)
    with pytest.raises(ValueError, match=r'vocab\.json and merges\.txt'):
        model.captions(torch.randn(1, 6))
