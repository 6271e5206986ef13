"""What a caption model says of images, for a look at it.

Letters: B batch, E width of CLIP's embedding, n prefix embeddings, L words, T
size of the vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet3d_act.checkpoint import fill_module, under_prefix
from mmdet3d_act.models.teachers.clipcap import (
    ClipCapMapping,
)
from mmdet3d_act.models.teachers.pretrained import (
    import_library,
    teacher_folder,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LANGUAGE = 'gpt.transformer.'
GPT2 = 'openai-community/gpt2'
# Width of a head in all sizes of GPT-2.
HEAD_DIMS = 64


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
        tokenizer: PreTrainedTokenizerBase | None = None,
    ) -> None:
        super().__init__()
        self.mapping = mapping
        self.language_model = language_model.eval().requires_grad_(False)
        self.tokenizer = tokenizer

    @torch.no_grad()
    def forward(
        self, tokens: Tensor, embedding: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Compute the logits of the next word at every place, (B, n + L, T).

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
        """Compute the mean cross-entropy of the words, a scalar.

        The number 0 stands for no word and does not count.
        """
        logits = self(tokens, embedding, mask)
        before = self.mapping.sizes.prefix_length - 1
        return F.cross_entropy(
            logits[:, before:-1].flatten(0, 1),
            tokens.flatten().long(),
            ignore_index=0,
        )

    @torch.no_grad()
    def captions(self, embedding: Tensor) -> list[str]:
        """Write a caption for each image.

        Args:
            embedding: CLIP's embedding of the images, (B, E).

        Raises:
            ValueError: If there is no tokenizer.
        """
        if self.tokenizer is None:
            raise ValueError(
                "captions need GPT-2's tokenizer; put vocab.json and "
                f'merges.txt of {GPT2} into {teacher_folder() / "gpt2"}'
            )
        prefix = self.mapping(embedding)
        # The captions that it was trained with are sentences.
        (stop, *_) = self.tokenizer.encode('.')
        found = self.language_model.generate(
            inputs_embeds=prefix,
            attention_mask=prefix.new_ones(prefix.shape[:2]),
            num_beams=5,
            do_sample=False,
            max_new_tokens=67,
            eos_token_id=stop,
            pad_token_id=stop,
        )
        sentences = []
        for words in found.tolist():
            end = words.index(stop) + 1 if stop in words else len(words)
            sentences.append(self.tokenizer.decode(words[:end]).strip())
        return sentences


def load_captioner(
    mapping: ClipCapMapping,
    tokenizer: PreTrainedTokenizerBase | None = None,
    *,
    num_heads: int | None = None,
) -> Captioner:
    """Load the captioning model of a mapping out of the mapping's checkpoint.

    GPT-2 is sized as its weights there are.

    Args:
        mapping: The mapping, with its weights.
        tokenizer: GPT-2's; None to look for it on this machine.
        num_heads: Heads of the language model; None for one every 64
            channels, as GPT-2 has them.

    Raises:
        CheckpointError: If the checkpoint has no GPT-2, or not all of it.
        ImportError: If transformers is not installed.
    """
    library = import_library('transformers', 'demo')
    state, name = mapping.source.read(mapping.weights)
    state = under_prefix(state, LANGUAGE)
    dims = mapping.sizes.embed_dims
    words, places = (
        len(state.get(f'{table}.weight', ())) for table in ('wte', 'wpe')
    )
    model = library.GPT2LMHeadModel(
        library.GPT2Config(
            vocab_size=words,
            n_positions=places,
            n_embd=dims,
            n_layer=len({key.split('.')[1] for key in state if 'h.' in key}),
            n_head=num_heads or max(1, dims // HEAD_DIMS),
        )
    )
    source = f'GPT-2 in {name or "the state dict"}'
    fill_module(model.transformer, state, source, allow_unused=True)
    # The head is the table of words itself.
    model.tie_weights()
    return Captioner(mapping, model, tokenizer or find_tokenizer())


def find_tokenizer() -> PreTrainedTokenizerBase | None:
    """Look for GPT-2's tokenizer on this machine; None where it is not here.

    It is looked for in ``$ACT_DATA_ROOT/teachers/gpt2`` and in the cache of
    the hub. Nothing is fetched.
    """
    library = import_library('transformers', 'demo')
    for place in (teacher_folder() / 'gpt2', GPT2):
        try:
            return library.GPT2Tokenizer.from_pretrained(
                place, local_files_only=True
            )
        except (OSError, ValueError, TypeError):
            continue
    return None
