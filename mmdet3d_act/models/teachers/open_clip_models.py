"""Models of open_clip and their towers."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping
from types import ModuleType

from torch import Tensor, nn

from mmdet3d_act.models.teachers.teacher_encoder import TeacherEncoder
from mmdet3d_act.models.teachers.vit_encoder import (
    EncoderNames,
    TakenEncoder,
    first_blocks,
    take_encoder,
    try_blocks,
)

TOWERS = ('visual', 'text')
QUICK_GELU = '-quickgelu'


def import_open_clip() -> ModuleType:
    """Return the library.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        import open_clip
    except ImportError as error:
        raise ImportError(
            'OpenCLIPTeacher needs open_clip; install it with '
            '`pip install "mmdet3d_act[teacher]"`'
        ) from error
    return open_clip


def current_name(name: str) -> str:
    """Return what a model is called in open_clip.

    Args:
        name: That name, or OpenAI's (``'ViT-B/16'``), also as the published
            configs have it (``'CLIP:ViT-B/16'``).
    """
    return name.removeprefix('CLIP:').replace('/', '-')


def model_config(name: str) -> dict:
    """Return the sizes of a model of open_clip.

    Args:
        name: Its name there.

    Raises:
        ValueError: If open_clip has no such model.
    """
    library = import_open_clip()
    known = library.list_models()
    if name not in known:
        alike = difflib.get_close_matches(name, known, 5, 0.4)
        raise ValueError(
            f'open_clip {library.__version__} has no model {name!r}; alike '
            f'are {", ".join(alike) or "none"}'
        )
    return copy.deepcopy(library.get_model_config(name))


def pretrained_config(name: str, tag: str | None) -> dict:
    """Return what open_clip knows of weights; empty without a tag.

    Args:
        name: Name of the model.
        tag: Name of its weights.

    Raises:
        ValueError: If the model has no such weights.
    """
    if tag is None:
        return {}
    library = import_open_clip()
    found = library.get_pretrained_cfg(name, tag)
    if not found:
        tags = library.list_pretrained_tags_by_model(name)
        raise ValueError(
            f'open_clip has no weights {tag!r} of {name}; pretrained_tag must '
            f'be one of {", ".join(tags) or "none: give a file by weights="}'
        )
    return found


def uses_quick_gelu(
    name: str, tag: str | None = None, given: bool | None = None
) -> bool:
    """Return whether a model's MLPs have quick-GELU.

    Args:
        name: Name of the model; one with ``-quickgelu`` has it.
        tag: Name of its weights, which may have been trained with it.
        given: The answer where the user gives it.
    """
    if given is not None:
        return given
    by_model = bool(model_config(name).get('quick_gelu', False))
    return by_model or bool(pretrained_config(name, tag).get('quick_gelu'))


def ambiguous_activation(name: str) -> bool:
    """Return whether some weights of a model have quick-GELU, some GELU.

    Args:
        name: Name of the model.
    """
    library = import_open_clip()
    config = model_config(name)
    if config.get('quick_gelu') or 'timm_model_name' in config['vision_cfg']:
        return False
    twin = f'{name}{QUICK_GELU}' in library.list_models()
    tags = library.list_pretrained_tags_by_model(name)
    return twin or any(uses_quick_gelu(name, tag) for tag in tags)


def take_tower(
    name: str,
    *,
    tower: str = 'visual',
    quick_gelu: bool = False,
    num_layers: int | None = None,
    model_args: dict | None = None,
) -> TakenEncoder:
    """Return blocks and norms of a tower of a model.

    Args:
        name: Name of the model.
        tower: ``'visual'`` or ``'text'``.
        quick_gelu: Whether its MLPs have quick-GELU.
        num_layers: How many blocks are taken, from the first; None for all.
        model_args: Replaces entries of the tower's config.

    Raises:
        ValueError: If the tower cannot be a teacher.
    """
    if tower not in TOWERS:
        raise ValueError(f'tower must be one of {TOWERS}, got {tower!r}')
    config = model_config(name)
    sizes = config['vision_cfg' if tower == 'visual' else 'text_cfg']
    sizes.update(model_args or {})
    build = _visual_tower if tower == 'visual' else _text_tower
    return build(name, config['embed_dim'], sizes, quick_gelu, num_layers)


def build_visual(out_dims: int, sizes: dict, quick_gelu: bool) -> nn.Module:
    """Return a visual tower, its weights random.

    Args:
        out_dims: Width of its embedding.
        sizes: Its ``vision_cfg``.
        quick_gelu: Whether its MLPs have quick-GELU.
    """
    # open_clip's create_model() would build the text tower too, which may
    # ask a hub for its config; it builds the visual one by this function.
    from open_clip.model import _build_vision_tower

    sizes = {**sizes, 'timm_model_pretrained': False}
    return _build_vision_tower(out_dims, sizes, quick_gelu)


def _visual_tower(
    name: str,
    out_dims: int,
    sizes: dict,
    quick_gelu: bool,
    num_layers: int | None,
) -> TakenEncoder:
    network = build_visual(out_dims, sizes, quick_gelu)
    if hasattr(network, 'trunk'):
        taken = take_encoder(network.trunk, name, num_layers)
        names = EncoderNames(
            *(
                [
                    f'{holder}{p}'
                    for holder in ('visual.trunk.', 'trunk.')
                    for p in prefixes
                ]
                for prefixes in taken.names
            )
        )
        return taken._replace(names=names)
    if not hasattr(network, 'transformer'):
        raise ValueError(
            f'{name} cannot be a teacher: its visual tower is a '
            f'{type(network).__name__}, not a Transformer; take a ViT'
        )
    blocks = first_blocks(network.transformer.resblocks, num_layers, name)
    width = network.transformer.width
    try_blocks(blocks, width, name)
    norm = network.ln_post
    if norm.normalized_shape != (width,):
        # An attention pool of another width stands before it.
        norm = None
    pre_norm = network.ln_pre
    encoder = TeacherEncoder(
        blocks,
        norm,
        pre_norm=None if isinstance(pre_norm, nn.Identity) else pre_norm,
    )
    names = EncoderNames(
        ['visual.transformer.resblocks.', 'transformer.resblocks.'],
        ['visual.ln_post.', 'ln_post.'],
        ['visual.ln_pre.', 'ln_pre.'],
    )
    return TakenEncoder(encoder, names, width)


def _text_tower(
    name: str,
    out_dims: int,
    sizes: dict,
    quick_gelu: bool,
    num_layers: int | None,
) -> TakenEncoder:
    from open_clip.model import _build_text_tower

    if sizes.get('hf_model_name'):
        raise ValueError(
            f'the text tower of {name} is {sizes["hf_model_name"]} of '
            'transformers; take a LanguageTeacher'
        )
    network = _build_text_tower(out_dims, sizes, quick_gelu)
    blocks = first_blocks(network.transformer.resblocks, num_layers, name)
    width = network.transformer.width
    try_blocks(blocks, width, name)
    names = EncoderNames(
        ['text.transformer.resblocks.', 'transformer.resblocks.'],
        ['text.ln_final.', 'ln_final.'],
        [],
    )
    return TakenEncoder(TeacherEncoder(blocks, network.ln_final), names, width)


def of_tower(state: Mapping[str, Tensor], tower: str) -> Mapping[str, Tensor]:
    """Return a state dict in which a bare name is the tower's.

    Names without ``visual.`` are those of the text tower where a whole model
    was saved, and of the visual one where that alone was.

    Args:
        state: Name to tensor.
        tower: One of ``TOWERS``.
    """
    if tower == 'text' or not any('token_embedding' in name for name in state):
        return state
    return {k: v for k, v in state.items() if k.startswith('visual.')}


def activation_problem(name: str) -> str | None:
    """Say that a file does not tell its activation; None where it is clear.

    Args:
        name: Name of the model, of which neither weights nor activation were
            named.
    """
    if not ambiguous_activation(name):
        return None
    return (
        f'weights of {name} come with GELU and with quick-GELU (OpenAI, DFN, '
        'MetaCLIP), which a file does not say; GELU is used. Give '
        'pretrained_tag, quick_gelu=True or False, or the model '
        f'{name}{QUICK_GELU}'
    )
