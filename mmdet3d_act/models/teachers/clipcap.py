"""ClipCap's mapping from CLIP's image embedding to the prefix of a caption.

Letters: B batch, E width of CLIP's embedding, n prefix embeddings, C width of
the language model.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet3d_act.models.layers import TransformerBlock
from mmdet3d_act.models.teachers.clipcap_files import (
    CONCEPTUAL,
    MappingSizes,
    mapping_state,
    missing_mapping,
    read_clipcap,
)
from mmdet3d_act.models.teachers.frozen_teacher import FrozenTeacher
from mmdet3d_act.models.teachers.weights import as_state_dict, fill_module
from mmdet3d_act.registry import MODELS

VARIANTS = ('mlp', 'transformer')


@MODELS.register_module()
class ClipCapMapping(FrozenTeacher):
    """Turns an image embedding of CLIP into a prefix of GPT-2's input.

    The prefix stands where the embeddings of words would, and GPT-2 continues
    it with the caption. Both published kinds of mapping are here: an MLP with
    one hidden layer, and a Transformer over the embedding and learned
    constants.

    The published checkpoints hold the whole captioning model; of these the
    mapping alone is read. What sizes they have is checked, and said.

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
            ``$ACT_DATA_ROOT/teachers``.
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
        checkpoint: str | Path | Mapping[str, Tensor] = CONCEPTUAL,
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
        if variant not in VARIANTS:
            raise ValueError(
                f'variant must be one of {VARIANTS}, got {variant!r}'
            )
        if variant == 'mlp':
            sizes = MappingSizes(variant, clip_dims, prefix_length, embed_dims)
            network: nn.Module = mapping_mlp(sizes)
        else:
            sizes = MappingSizes(
                variant,
                clip_dims,
                prefix_length,
                embed_dims,
                clip_length or prefix_length,
                num_layers,
            )
            network = MappingTransformer(sizes, num_heads)
        super().__init__(network, pretrained=pretrained)
        self.sizes = sizes
        self.num_heads = num_heads
        self.normalize = normalize
        self.checkpoint = checkpoint

    @property
    def prefix_shape(self) -> tuple[int, int]:
        """Number and width of the prefix embeddings."""
        return self.sizes.prefix_length, self.sizes.embed_dims

    @classmethod
    def check_requirements(cls, cfg: dict) -> list[str]:
        """Return what keeps a config from running, with the remedy.

        Args:
            cfg: The config of this class.
        """
        if not cfg.get('pretrained', True):
            return []
        problem = missing_mapping(cfg.get('checkpoint', CONCEPTUAL))
        return [] if problem is None else [problem]

    def read_pretrained(self) -> str | None:
        """Fill the mapping; see the base class."""
        if isinstance(self.checkpoint, Mapping):
            state, source = as_state_dict(self.checkpoint), None
        else:
            state, source = read_clipcap(self.checkpoint)
        name = source or 'the state dict'
        fill_module(
            self.network, mapping_state(state, self.sizes, name), name=name
        )
        return source

    def settings(self) -> dict:
        """Return what decides the prefix besides the weights."""
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
        """Return the prefix embeddings, (B, n, C), float32.

        Args:
            embedding: CLIP's image embedding, (B, E).

        Raises:
            RuntimeError: If the pretrained weights are not loaded.
            ValueError: If the embedding is of another width.
        """
        if embedding.ndim != 2 or embedding.shape[1] != self.sizes.clip_dims:
            raise ValueError(
                f'the mapping takes embeddings (B, {self.sizes.clip_dims}), '
                f'got {tuple(embedding.shape)}; take the CLIP model that it '
                'was trained with'
            )
        if self.normalize:
            embedding = F.normalize(embedding, dim=-1)
        # (B, n C) of the MLP, (B, n, C) of the Transformer
        return self.frozen(embedding).float().view(-1, *self.prefix_shape)


def mapping_mlp(sizes: MappingSizes) -> nn.Sequential:
    """Return the MLP: half as many hidden units as outputs, tanh.

    Args:
        sizes: Of the mapping.

    Returns:
        A module (B, E) -> (B, n C).
    """
    out_dims = sizes.prefix_length * sizes.embed_dims
    return nn.Sequential(
        nn.Linear(sizes.clip_dims, out_dims // 2),
        nn.Tanh(),
        nn.Linear(out_dims // 2, out_dims),
    )


class MappingTransformer(nn.Module):
    """Learned constants that attend to tokens made of CLIP's embedding.

    Args:
        sizes: Of the mapping.
        num_heads: Attention heads.
    """

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
        """Return the prefix, (B, n, C), of CLIP's embedding (B, E)."""
        tokens = self.linear(embedding).unflatten(1, (self.clip_length, -1))
        constants = self.prefix_const.expand(len(tokens), -1, -1)
        x = torch.cat([tokens, constants.to(tokens.dtype)], dim=1)
        for block in self.blocks:
            x = block(x)
        return x[:, self.clip_length :]


def mapping_block(dims: int, num_heads: int) -> TransformerBlock:
    """Return a block of the Transformer: half the usual MLP, with ReLU.

    Args:
        dims: Width C.
        num_heads: Attention heads.
    """
    block = TransformerBlock(dims, num_heads)
    block.mlp = nn.Sequential(
        OrderedDict(
            fc1=nn.Linear(dims, 2 * dims),
            act=nn.ReLU(),
            fc2=nn.Linear(2 * dims, dims),
        )
    )
    return block
