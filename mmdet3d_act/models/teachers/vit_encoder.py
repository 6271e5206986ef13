"""What a teacher takes of a pretrained image model: its blocks and norms.

Letters: B batch, L tokens, D width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmdet3d_act.models.teachers.prompted_blocks import library_block
from mmdet3d_act.models.teachers.teacher_encoder import TeacherEncoder
from mmdet3d_act.models.teachers.weights import fill_module

# What may hold the Transformer in a model: nothing, or an attribute.
HOLDERS = ('', 'encoder.')
# Final norms, the one for all tokens before the one for pooled features.
FINAL_NORMS = ('norm', 'fc_norm')
# Attributes of an attention that hold its table of relative positions.
TABLES = ('relative_position_bias_table', 'relative_position_index', 'rel_pos')
# Families of timm whose blocks read something else than (B, L, D), and why.
REASONS = {
    'convit': 'its attention is tied to a square grid of patches',
    'crossvit': 'its blocks join two branches of different width',
    'gemma4_vit': 'its blocks need the rotary positions of an image',
    'hiera': 'its blocks pool windows of an image',
    'hieradet_sam2': 'its blocks pool windows of an image',
    'tnt': 'its blocks read pixels beside the patches',
    'twins': 'its blocks pool windows of an image',
    'vision_transformer_sam': 'its blocks attend in windows of an image',
    'xcit': 'its blocks convolve over the height and width of an image',
}


class EncoderNames(NamedTuple):
    """What the parts of an encoder are called in a state dict.

    Each is a list of prefixes; the first that fits is taken.

    Attributes:
        blocks: Of the blocks.
        norm: Of the final norm.
        pre_norm: Of the norm before the first block.
    """

    blocks: list[str]
    norm: list[str]
    pre_norm: list[str]


class TakenEncoder(NamedTuple):
    """The part of an image model that a teacher uses.

    Attributes:
        encoder: Blocks and norms.
        names: What they are called in a state dict of the whole model.
        embed_dims: Width D.
    """

    encoder: TeacherEncoder
    names: EncoderNames
    embed_dims: int


class TeacherFacts(NamedTuple):
    """Sizes of a teacher, for tables.

    Attributes:
        embed_dims: Width D.
        num_layers: Blocks.
        num_heads: Attention heads; None for mixers.
        num_parameters: Values of the blocks and norms that are used.
        num_tokens: Prompts and patches together where they are fixed.
    """

    embed_dims: int
    num_layers: int
    num_heads: int | None
    num_parameters: int
    num_tokens: int | None


def take_encoder(
    network: nn.Module, name: str, num_layers: int | None = None
) -> TakenEncoder:
    """Return the blocks and the norms of a timm model.

    Tables of relative positions are taken out of the blocks: they belong to
    the grid of an image.

    Args:
        network: The model, perhaps on the meta device.
        name: Its name, for errors.
        num_layers: How many blocks are taken, from the first; None for all.

    Raises:
        ValueError: If the model cannot run as a teacher, or has fewer blocks.
    """
    holder, transformer = _find_transformer(network, name)
    family = type(transformer).__module__.rpartition('.')[2]
    if family in REASONS:
        raise ValueError(
            f'{name} cannot be a teacher: {REASONS[family]}; take a plain '
            'Vision Transformer'
        )
    kept = first_blocks(transformer.blocks, num_layers, name)
    for block in kept:
        drop_relative_positions(block)
    width = getattr(transformer, 'embed_dim', None)
    width = width or getattr(transformer, 'num_features', None)
    num_tokens = fixed_length(kept[0])
    try_blocks(kept, width, name, num_tokens)
    norm_name = next((n for n in FINAL_NORMS if _has(transformer, n)), None)
    norms = [n for n in FINAL_NORMS if n != norm_name]
    encoder = TeacherEncoder(
        kept,
        None if norm_name is None else getattr(transformer, norm_name),
        pre_norm=transformer.norm_pre
        if _has(transformer, 'norm_pre')
        else None,
        num_tokens=num_tokens,
    )
    names = EncoderNames(
        [f'{holder}blocks.'],
        [f'{holder}{n}.' for n in (norm_name, *norms) if n is not None],
        [f'{holder}norm_pre.'],
    )
    return TakenEncoder(encoder, names, width)


def first_blocks(
    blocks: Iterable[nn.Module], num_layers: int | None, name: str
) -> list[nn.Module]:
    """Return the first blocks of a model.

    Args:
        blocks: All of them.
        num_layers: How many; None for all.
        name: Name of the model, for errors.

    Raises:
        ValueError: If there are not so many.
    """
    every = list(blocks)
    if num_layers is not None and not 1 <= num_layers <= len(every):
        raise ValueError(
            f'num_layers must be within 1 and {len(every)}, the blocks of '
            f'{name}, got {num_layers}'
        )
    return every[:num_layers]


def drop_relative_positions(block: nn.Module) -> None:
    """Take the table of relative positions out of a block's attention."""
    attn = getattr(block, 'attn', None)
    for table in TABLES:
        if getattr(attn, table, None) is not None:
            setattr(attn, table, None)


def fixed_length(block: nn.Module) -> int | None:
    """Return how many tokens a block mixes; None where any number will do.

    Args:
        block: MLP-Mixer's, ResMLP's and gMLP's have a fixed number.
    """
    for path in (
        'mlp_tokens.fc1',
        'linear_tokens',
        'mlp_channels.gate.proj',
    ):
        mixing: object = block
        for attribute in path.split('.'):
            mixing = getattr(mixing, attribute, None)
        if isinstance(mixing, nn.Linear):
            return mixing.in_features
    return None


@torch.no_grad()
def try_blocks(
    blocks: list[nn.Module],
    width: int | None,
    name: str,
    num_tokens: int | None = None,
) -> None:
    """Refuse blocks that do not map (B, L, D) to (B, L, D).

    Args:
        blocks: One of each kind is tried.
        width: Width D.
        name: Name of the model, for errors.
        num_tokens: The only length L; None where any must do.

    Raises:
        ValueError: If a block does not.
    """
    kinds = {
        (type(block), *(p.shape for p in block.parameters())): block
        for block in blocks
    }
    lengths = (3, 5) if num_tokens is None else (num_tokens,)
    for block in kinds.values():
        training = block.training
        block.eval()
        parameter = next(block.parameters(), torch.empty(0))
        try:
            for length in lengths:
                tokens = parameter.new_zeros(1, length, width)
                if library_block(block, tokens).shape != tokens.shape:
                    raise ValueError('the shape changes')
        except Exception as error:
            raise ValueError(
                f'{name} cannot be a teacher: its {type(block).__name__} does '
                'not map tokens (B, L, D) to (B, L, D) for any number of '
                f'tokens L, because of convolutions, windows or changing '
                f'widths ({" ".join(str(error).split())[:160]}); take a plain '
                'Vision Transformer'
            ) from error
        finally:
            block.train(training)


def fill_encoder(
    encoder: TeacherEncoder,
    state: Mapping[str, Tensor],
    names: EncoderNames,
    source: str,
) -> None:
    """Fill blocks and norms from a state dict of the whole model.

    Args:
        encoder: What to fill.
        state: May hold more.
        names: What the parts are called there.
        source: What the state dict is called in errors.

    Raises:
        ValueError: If a tensor is missing or has another shape.
    """
    for part, prefixes in zip(_parts(encoder), names, strict=True):
        if part is not None:
            fill_module(part, state, prefixes, name=source)


def fits(
    encoder: TeacherEncoder, state: Mapping[str, Tensor], names: EncoderNames
) -> bool:
    """Return whether a state dict has every tensor of an encoder."""
    return all(
        any(all(p + key in state for key in part.state_dict()) for p in ways)
        for part, ways in zip(_parts(encoder), names, strict=True)
        if part is not None
    )


def facts_of(taken: TakenEncoder) -> TeacherFacts:
    """Return the sizes of what was taken of a model."""
    encoder = taken.encoder
    block = encoder.blocks[0]
    # Blocks with parallel attention and MLP have no attention module.
    attn = getattr(block, 'attn', block)
    return TeacherFacts(
        embed_dims=taken.embed_dims,
        num_layers=len(encoder.blocks),
        num_heads=getattr(attn, 'num_heads', None),
        num_parameters=sum(p.numel() for p in encoder.parameters()),
        num_tokens=encoder.num_tokens,
    )


def _parts(
    encoder: TeacherEncoder,
) -> tuple[nn.Module, nn.Module | None, nn.Module | None]:
    return encoder.blocks, encoder.norm, encoder.pre_norm


def _find_transformer(network: nn.Module, name: str) -> tuple[str, nn.Module]:
    """Return the part with the blocks, and what stands before its names."""
    for holder in HOLDERS:
        part = getattr(network, holder[:-1], None) if holder else network
        blocks = getattr(part, 'blocks', None)
        if isinstance(blocks, nn.Sequential | nn.ModuleList) and len(blocks):
            return holder, part
    raise ValueError(
        f'{name} cannot be a teacher: {type(network).__name__} has no '
        '`blocks`, one sequence of Transformer blocks of the same width '
        '(convolutional and hierarchical networks have none); take a Vision '
        'Transformer'
    )


def _has(network: nn.Module, name: str) -> bool:
    return not isinstance(
        getattr(network, name, None), nn.Identity | type(None)
    )
