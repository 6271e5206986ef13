"""Captions of images, which show what a caption model sees.

Letters: B batch, L words, n prefix embeddings, C width of the language model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet3d_act.models.teachers.clipcap import ClipCapMapping
from mmdet3d_act.models.teachers.clipcap_files import LANGUAGE, read_clipcap
from mmdet3d_act.models.teachers.language_files import (
    HUB_IDS,
    absent,
    locate,
    read_language_weights,
)
from mmdet3d_act.models.teachers.weights import (
    as_state_dict,
    fill_module,
    teacher_folder,
)

GPT2 = 'gpt2'
# Width of a head in all sizes of GPT-2.
HEAD_DIMS = 64
TOKENIZER_FILES = ('tokenizer.json', 'vocab.json')


class Tokenizer(Protocol):
    """What is used of a tokenizer of transformers."""

    def encode(self, text: str) -> list[int]:
        """Return the numbers of the words of a text."""

    def decode(self, tokens: list[int]) -> str:
        """Return the text of words."""


class Captioner(nn.Module):
    """ClipCap's whole captioning model: the mapping, and GPT-2 behind it.

    Args:
        mapping: The mapping, with its weights.
        language_model: GPT-2 with its head, as transformers has it.
        tokenizer: GPT-2's; needed for texts only.
    """

    def __init__(
        self,
        mapping: ClipCapMapping,
        language_model: nn.Module,
        tokenizer: Tokenizer | None = None,
    ) -> None:
        super().__init__()
        self.mapping = mapping
        self.language_model = language_model.eval()
        self.tokenizer = tokenizer

    @torch.no_grad()
    def forward(
        self, tokens: Tensor, embedding: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Return the logits of the next word at every place, (B, n + L, T).

        Args:
            tokens: Numbers of words, int (B, L).
            embedding: CLIP's embedding of the images, (B, E).
            mask: (B, n + L), 0 where a word is none.
        """
        prefix = self.mapping(embedding)
        words = self.language_model.get_input_embeddings()(tokens)
        found = self.language_model(
            inputs_embeds=torch.cat([prefix, words], dim=1),
            attention_mask=mask,
        )
        return found.logits

    def loss(
        self, tokens: Tensor, embedding: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Return the mean cross-entropy of the words, a scalar.

        The number 0 stands for no word and does not count.

        Args:
            tokens: See :meth:`forward`.
            embedding: See :meth:`forward`.
            mask: See :meth:`forward`.
        """
        logits = self(tokens, embedding, mask)
        before = self.mapping.sizes.prefix_length - 1
        return F.cross_entropy(
            logits[:, before:-1].flatten(0, 1),
            tokens.flatten().long(),
            ignore_index=0,
        )

    @torch.no_grad()
    def captions(
        self, embedding: Tensor, *, num_beams: int = 5, max_words: int = 67
    ) -> list[str]:
        """Return a caption for each image.

        Args:
            embedding: CLIP's embedding of the images, (B, E).
            num_beams: Width of the beam search.
            max_words: Longest caption, in GPT-2's parts of words.

        Raises:
            ValueError: If there is no tokenizer.
        """
        if self.tokenizer is None:
            raise ValueError(missing_tokenizer())
        prefix = self.mapping(embedding)
        # The captions that it was trained with are sentences.
        (stop, *_) = self.tokenizer.encode('.')
        found = self.language_model.generate(
            inputs_embeds=prefix,
            attention_mask=prefix.new_ones(prefix.shape[:2]),
            num_beams=num_beams,
            do_sample=False,
            max_new_tokens=max_words,
            eos_token_id=stop,
            pad_token_id=stop,
        )
        return [self._text(row.tolist(), stop) for row in found]

    def _text(self, tokens: list[int], stop: int) -> str:
        end = tokens.index(stop) + 1 if stop in tokens else len(tokens)
        return self.tokenizer.decode(tokens[:end]).strip()


def load_captioner(
    mapping: ClipCapMapping,
    tokenizer: Tokenizer | None = None,
    *,
    num_heads: int | None = None,
) -> Captioner:
    """Return the captioning model of a mapping.

    GPT-2 comes from the mapping's own checkpoint, and where that has none,
    from GPT-2's weights on this machine.

    Args:
        mapping: The mapping, with its weights.
        tokenizer: GPT-2's; None to look for it on this machine.
        num_heads: Heads of the language model; None for GPT-2's.

    Raises:
        FileNotFoundError: If GPT-2 is not on this machine.
        ImportError: If transformers is not installed.
        ValueError: If its weights do not fit.
    """
    if isinstance(mapping.checkpoint, Mapping):
        state, name = as_state_dict(mapping.checkpoint), 'the state dict'
    else:
        state, name = read_clipcap(mapping.checkpoint)
    own = {
        key.removeprefix(LANGUAGE): value
        for key, value in state.items()
        if key.startswith(LANGUAGE)
    }
    if not own:
        own, name = _gpt2_weights()
    model = build_gpt2(own, name, num_heads)
    if model.config.n_embd != mapping.sizes.embed_dims:
        raise ValueError(
            f'the mapping is for a language model of width '
            f'{mapping.sizes.embed_dims}, {name} has {model.config.n_embd}; '
            'take the one that it was trained with'
        )
    return Captioner(mapping, model, tokenizer or find_tokenizer())


def build_gpt2(
    state: Mapping[str, Tensor], name: str, num_heads: int | None = None
) -> nn.Module:
    """Return GPT-2 with its weights, sized as these are.

    Args:
        state: Its weights, with ``transformer.`` before the names or without.
        name: What they are called in errors.
        num_heads: Attention heads; None for one every 64 channels.

    Raises:
        ImportError: If transformers is not installed.
        ValueError: If the weights are incomplete.
    """
    try:
        from transformers import GPT2Config, GPT2LMHeadModel
    except ImportError as error:
        raise ImportError(
            'captions need transformers; install it with '
            '`pip install "mmdet3d_act[demo]"`'
        ) from error
    state = {
        key.removeprefix('transformer.'): value for key, value in state.items()
    }
    if 'wte.weight' not in state or 'wpe.weight' not in state:
        raise ValueError(
            f'{name} holds no GPT-2: expected transformer.wte.weight and '
            f'others, its names begin {", ".join(sorted(state)[:3])}'
        )
    words, dims = state['wte.weight'].shape
    layers = {int(key.split('.')[1]) for key in state if key[:2] == 'h.'}
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=words,
            n_positions=len(state['wpe.weight']),
            n_embd=dims,
            n_layer=len(layers),
            n_head=num_heads or max(1, dims // HEAD_DIMS),
        )
    )
    fill_module(model.transformer, state, name=name)
    # The head is the table of words itself.
    model.tie_weights()
    return model.eval().requires_grad_(False)


def _gpt2_weights() -> tuple[dict[str, Tensor], str]:
    problem = absent(GPT2, None)
    if problem is not None:
        raise FileNotFoundError(problem)
    path = locate(GPT2).weights
    return read_language_weights(path, ()), path.name


def find_tokenizer() -> Tokenizer | None:
    """Return GPT-2's tokenizer of this machine; None where it is not here.

    It is looked for in ``$ACT_DATA_ROOT/teachers/gpt2`` and in the cache of
    the hub. Nothing is fetched.
    """
    from transformers import AutoTokenizer, GPT2Tokenizer

    folder = teacher_folder() / GPT2
    if any((folder / file).is_file() for file in TOKENIZER_FILES):
        return GPT2Tokenizer.from_pretrained(folder)
    for name in (HUB_IDS[GPT2], GPT2):
        try:
            return AutoTokenizer.from_pretrained(name, local_files_only=True)
        except (OSError, ValueError):
            continue
    return None


def missing_tokenizer() -> str:
    """Say that GPT-2's tokenizer is missing, and where to put it."""
    return (
        "captions need GPT-2's tokenizer, which is not on this machine; put "
        f'vocab.json and merges.txt of {HUB_IDS[GPT2]} into '
        f'{teacher_folder() / GPT2}, or fetch them once with '
        f'`python -c "import transformers; transformers.AutoTokenizer.'
        f"from_pretrained('{GPT2}')\"`"
    )
