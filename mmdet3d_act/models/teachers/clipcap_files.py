"""The published checkpoints of ClipCap, and what is in them.

They are state dicts of the whole captioning model: ``clip_project.`` is the
mapping, ``gpt.`` is GPT-2.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from mmdet3d_act.checkpoint import CheckpointError
from mmdet3d_act.models.teachers.weights import (
    find_weights,
    read_weights,
    teacher_folder,
)

# What the release calls the model that was trained on Conceptual Captions.
CONCEPTUAL = 'conceptual_weights.pt'
MAPPING, LANGUAGE = 'clip_project.', 'gpt.'
# What may stand before the names of a mapping that was saved alone; reading
# takes "model." off where all names begin with it.
MLP_PREFIXES = ('model.', '')
ENCODERS = {512: 'ViT-B/32', 640: 'RN50x4', 768: 'ViT-L/14', 1024: 'RN50'}


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


def read_clipcap(path: str | Path) -> tuple[dict[str, Tensor], str]:
    """Return the tensors of a ClipCap checkpoint, and its name.

    Args:
        path: The file; a bare name is looked for in the teacher folder.

    Raises:
        FileNotFoundError: If it is not there.
        CheckpointError: If it cannot be read.
    """
    found = find_weights(path)
    if found is None:
        raise FileNotFoundError(missing_mapping(path))
    return read_weights(found), found.name


def missing_mapping(path: str | Path | Mapping) -> str | None:
    """Say that a ClipCap checkpoint is missing; None where it is here.

    Args:
        path: The file, or a state dict.
    """
    if isinstance(path, Mapping) or find_weights(path):
        return None
    return (
        f"ClipCap's weights {Path(path).name} are missing; fetch them once "
        'from the page of the project (github.com/rmokady/CLIP_prefix_caption,'
        f' the model of Conceptual Captions is {CONCEPTUAL}) and put the file '
        f'at {teacher_folder() / Path(path).name}, or name another by '
        'checkpoint='
    )


def mapping_state(
    state: Mapping[str, Tensor], sizes: MappingSizes, name: str
) -> dict[str, Tensor]:
    """Return a mapping's weights under this package's names.

    Args:
        state: A whole captioning model, or a mapping alone.
        sizes: That it is to have.
        name: What the weights are called in errors.

    Raises:
        CheckpointError: If there is no mapping, or it has other sizes.
    """
    own = {
        key.removeprefix(MAPPING): value
        for key, value in state.items()
        if key.startswith(MAPPING)
    } or dict(state)
    found = sizes_of(own, sizes.embed_dims, name)
    if found != sizes:
        raise CheckpointError(_other_sizes(found, sizes, name))
    if found.variant == 'transformer':
        return _transformer_names(own)
    prefix = _mlp_prefix(own)
    return {
        key.removeprefix(prefix): value
        for key, value in own.items()
        if key.startswith(prefix)
    }


def sizes_of(
    state: Mapping[str, Tensor], embed_dims: int, name: str
) -> MappingSizes:
    """Return the sizes of a mapping from its weights.

    Args:
        state: Its weights under the published names.
        embed_dims: Width of the language model, which an MLP does not say.
        name: What the weights are called in errors.

    Raises:
        CheckpointError: If they are of no mapping, or their output is no
            multiple of the language model's width.
    """
    if 'prefix_const' in state and 'linear.weight' in state:
        length, dims = state['prefix_const'].shape
        out_dims, clip_dims = state['linear.weight'].shape
        layers = {
            int(key.split('.')[2])
            for key in state
            if key.startswith('transformer.layers.')
        }
        return MappingSizes(
            'transformer',
            clip_dims,
            length,
            dims,
            out_dims // dims,
            len(layers),
        )
    prefix = _mlp_prefix(state)
    if prefix is None:
        raise CheckpointError(
            f'{name} holds no mapping of ClipCap: its names begin '
            f'{", ".join(sorted(state)[:3])}; expected clip_project.model.0.'
            'weight (MLP) or clip_project.prefix_const (Transformer)'
        )
    out_dims = len(state[f'{prefix}2.weight'])
    if out_dims % embed_dims:
        raise CheckpointError(
            f'{name} maps to {out_dims} numbers, no multiple of the language '
            f"model's width {embed_dims}; set embed_dims (768 for GPT-2)"
        )
    clip_dims = state[f'{prefix}0.weight'].shape[1]
    return MappingSizes('mlp', clip_dims, out_dims // embed_dims, embed_dims)


def _mlp_prefix(state: Mapping[str, Tensor]) -> str | None:
    return next(
        (
            prefix
            for prefix in MLP_PREFIXES
            if f'{prefix}0.weight' in state and f'{prefix}2.weight' in state
        ),
        None,
    )


def _other_sizes(found: MappingSizes, sizes: MappingSizes, name: str) -> str:
    """Say what a file has and what the config wants."""
    differ = {
        key: (has, wants)
        for (key, has), wants in zip(
            found._asdict().items(), sizes, strict=True
        )
        if has != wants
    }
    text = ', '.join(
        f'{key} {has} instead of {wants}'
        for key, (has, wants) in differ.items()
    )
    change = ', '.join(f'{key}={has!r}' for key, (has, _) in differ.items())
    message = (
        f'{name} holds a mapping with {text}; set {change} in the mapping of '
        'the config, or take another file'
    )
    if 'clip_dims' in differ:
        clip = ENCODERS.get(found.clip_dims)
        message += (
            '. It needs an image encoder whose embedding has '
            f'{found.clip_dims} numbers'
        ) + (f", as CLIP's {clip}" if clip else '')
    return message


def _transformer_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a Transformer under the names of our blocks."""
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
