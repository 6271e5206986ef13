"""ClipCap: from CLIP's image embedding to a prefix of a caption.

The published checkpoints are state dicts of the whole captioning model:
``clip_project.`` is the mapping, ``gpt.`` is GPT-2.

Letters: B batch, E width of CLIP's embedding, n prefix embeddings, C width of
the language model.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet3d_act.checkpoint import (
    CheckpointError,
    under_prefix,
)
from mmdet3d_act.models.layers import TransformerBlock
from mmdet3d_act.models.teachers.image_encoder import FrozenTeacher
from mmdet3d_act.models.teachers.pretrained import (
    Weights,
    WeightSource,
)
from mmdet3d_act.registry import MODELS
from mmdet3d_act.text import check_choice

VARIANTS = ('mlp', 'transformer')
MAPPING = 'clip_project.'
# The model that was trained on Conceptual Captions.
PUBLISHED = WeightSource(
    'ClipCap',
    ('conceptual_weights',),
    remedy='fetch conceptual_weights.pt once from the page of the project '
    '(github.com/rmokady/CLIP_prefix_caption) into the folder of teachers',
)


class MappingSizes(NamedTuple):
    """Sizes of a mapping.

    Attributes:
        variant: ``'mlp'`` or ``'transformer'``.
        clip_dims: Width of CLIP's embedding.
        prefix_length: Number of prefix embeddings.
        embed_dims: Width of the language model.
        clip_length: Tokens that the Transformer makes of CLIP's embedding.
        num_layers: Its blocks.
    """

    variant: str
    clip_dims: int
    prefix_length: int
    embed_dims: int
    clip_length: int | None = None
    num_layers: int | None = None


@MODELS.register_module()
class ClipCapMapping(FrozenTeacher):
    """Turns an image embedding of CLIP into a prefix of GPT-2's input.

    The prefix stands where the embeddings of words would, and GPT-2 continues
    it with the caption. Both published kinds of mapping are here: an MLP with
    one hidden layer, and a Transformer over the embedding and learned
    constants.

    The published checkpoints hold the whole captioning model, of which the
    mapping alone is read. One of other sizes is refused.

    Source: Mokady et al., ClipCap: CLIP Prefix for Image Captioning, 2021,
    section 3.

    Example:
        >>> mapping = ClipCapMapping(
        ...     clip_dims=16, prefix_length=4, embed_dims=8, pretrained=False)
        >>> mapping(torch.rand(2, 16)).shape
        torch.Size([2, 4, 8])

    Args:
        variant: ``'mlp'`` or ``'transformer'``.
        checkpoint: A file with the names of the published ones, or a state
            dict; a bare file name is looked for in
            ``$ACT_DATA_ROOT/teachers``. None for ``conceptual_weights.pt``.
        clip_dims: Width E of CLIP's embedding: 512 for ViT-B/32, 640 for
            RN50x4.
        prefix_length: Embeddings n of the prefix.
        embed_dims: Width C of the language model.
        clip_length: Tokens that the Transformer makes of CLIP's embedding;
            None for as many as the prefix has.
        num_layers: Blocks of the Transformer.
        num_heads: Attention heads of the Transformer, which no file says.
        normalize: Whether the embedding is scaled to length 1 first, as some
            mappings were trained (``--normalize_prefix``), which no file says.
        pretrained: False for a random initialisation.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        variant: str = 'mlp',
        checkpoint: Weights = None,
        *,
        clip_dims: int = 512,
        prefix_length: int = 10,
        embed_dims: int = 768,
        clip_length: int | None = None,
        num_layers: int = 8,
        num_heads: int = 8,
        normalize: bool = False,
        pretrained: bool = True,
    ) -> None:
        check_choice('variant', variant, VARIANTS)
        sizes = MappingSizes(variant, clip_dims, prefix_length, embed_dims)
        network: nn.Module
        if variant == 'transformer':
            sizes = sizes._replace(
                clip_length=clip_length or prefix_length, num_layers=num_layers
            )
            network = MappingTransformer(sizes, num_heads)
        else:
            out_dims = prefix_length * embed_dims
            network = nn.Sequential(
                nn.Linear(clip_dims, out_dims // 2),
                nn.Tanh(),
                nn.Linear(out_dims // 2, out_dims),
            )
        super().__init__(network, PUBLISHED, checkpoint, pretrained=pretrained)
        self.sizes = sizes
        self.num_heads = num_heads
        self.normalize = normalize

    @property
    def prefix_shape(self) -> tuple[int, int]:
        """Number and width of the prefix embeddings."""
        return self.sizes.prefix_length, self.sizes.embed_dims

    @classmethod
    def weight_source(cls) -> WeightSource:
        """Name the places of the published checkpoint."""
        return PUBLISHED

    def convert_state(self, state: Mapping[str, Tensor]) -> Mapping:
        """Take the mapping out of a captioning model, under own names.

        Raises:
            CheckpointError: If it is another mapping than the config's.
        """
        own = under_prefix(state, MAPPING) or dict(state)
        if self.sizes.variant == 'transformer':
            own = _transformer_names(own)
        else:
            own = {key.removeprefix('model.'): own[key] for key in own}
        wanted = self.network.state_dict()
        shapes = {key: tuple(value.shape) for key, value in own.items()}
        if shapes != {key: tuple(v.shape) for key, v in wanted.items()}:
            raise CheckpointError(
                f'the weights hold no mapping with {self.sizes}, but '
                f'{dict(list(shapes.items())[:4])}; set the sizes and the '
                'variant that they have'
            )
        return own

    def settings(self) -> dict:
        """List what decides the prefix besides the weights."""
        settings = {
            'type': type(self).__name__,
            **self.sizes._asdict(),
            'normalize': self.normalize,
        }
        if self.sizes.variant == 'transformer':
            settings['num_heads'] = self.num_heads
        return settings

    @torch.no_grad()
    def forward(self, embedding: Tensor) -> Tensor:
        """Compute the prefix embeddings, (B, n, C), float32.

        Args:
            embedding: CLIP's image embedding, (B, E).

        Raises:
            RuntimeError: If the pretrained weights are not loaded.
            ValueError: If the embedding is of another width.
        """
        if self.normalize:
            embedding = F.normalize(embedding, dim=-1)
        # (B, n C) of the MLP, (B, n, C) of the Transformer
        return self.frozen(embedding).float().view(-1, *self.prefix_shape)


class MappingTransformer(nn.Module):
    """Learned constants that attend to tokens made of CLIP's embedding."""

    def __init__(self, sizes: MappingSizes, num_heads: int) -> None:
        super().__init__()
        dims = sizes.embed_dims
        self.clip_length = sizes.clip_length
        self.linear = nn.Linear(sizes.clip_dims, sizes.clip_length * dims)
        self.prefix_const = nn.Parameter(
            torch.randn(sizes.prefix_length, dims)
        )
        self.blocks = nn.ModuleList(
            mapping_block(dims, num_heads) for _ in range(sizes.num_layers)
        )

    def forward(self, embedding: Tensor) -> Tensor:
        """Compute the prefix, (B, n, C), of CLIP's embedding (B, E)."""
        tokens = self.linear(embedding).unflatten(1, (self.clip_length, -1))
        constants = self.prefix_const.expand(len(tokens), -1, -1)
        x = torch.cat([tokens, constants.to(tokens.dtype)], dim=1)
        for block in self.blocks:
            x = block(x)
        return x[:, self.clip_length :]


def mapping_block(dims: int, num_heads: int) -> TransformerBlock:
    """Build a block of the Transformer: half the usual MLP, with ReLU."""
    block = TransformerBlock(dims, num_heads)
    block.mlp = nn.Sequential(
        OrderedDict(
            fc1=nn.Linear(dims, 2 * dims),
            act=nn.ReLU(),
            fc2=nn.Linear(2 * dims, dims),
        )
    )
    return block


def _transformer_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of a Transformer to those of our blocks."""
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        key = key.replace('transformer.layers.', 'blocks.')
        key = key.replace('.attn.project.', '.attn.proj.')
        if '.to_queries.' in key:
            others = key.replace('to_queries', 'to_keys_values')
            others = others.replace('blocks.', 'transformer.layers.')
            whole = key.replace('to_queries', 'qkv')
            renamed[whole] = torch.cat([value, state[others]])
        elif '.to_keys_values.' not in key:
            renamed[key] = value
    return renamed
