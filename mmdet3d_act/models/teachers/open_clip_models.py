"""Models of open_clip: their towers, and where weights are."""

from __future__ import annotations

import copy
import difflib
import os
from pathlib import Path
from types import ModuleType

from torch import nn

from mmdet3d_act.models.teachers.teacher_encoder import TeacherEncoder
from mmdet3d_act.models.teachers.timm_models import in_hub_cache
from mmdet3d_act.models.teachers.vit_encoder import (
    EncoderNames,
    TakenEncoder,
    first_blocks,
    take_encoder,
    try_blocks,
)
from mmdet3d_act.models.teachers.weights import find_named, teacher_folder

TOWERS = ('visual', 'text')
QUICK_GELU = '-quickgelu'
HUB_FILES = ('open_clip_model.safetensors', 'open_clip_pytorch_model.bin')


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


def _visual_tower(
    name: str,
    out_dims: int,
    sizes: dict,
    quick_gelu: bool,
    num_layers: int | None,
) -> TakenEncoder:
    # open_clip's create_model() would build the text tower too, which may
    # ask a hub for its config; it builds the visual one by this function.
    from open_clip.model import _build_vision_tower

    sizes['timm_model_pretrained'] = False
    network = _build_vision_tower(out_dims, sizes, quick_gelu)
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


def find_file(name: str, tag: str | None = None) -> Path | None:
    """Return the weights file of a model in the teacher folder.

    Args:
        name: Name of the model.
        tag: Name of its weights. The file is called as the model, followed by
            a dot and the tag, or as the model alone.
    """
    names = [name] if tag is None else [f'{name}.{tag}', name]
    return find_named(names)


def is_downloaded(name: str, tag: str) -> bool:
    """Return whether open_clip has weights in one of its caches.

    Args:
        name: Name of the model.
        tag: Name of its weights.
    """
    return cached_file(name, tag) is not None


def cached_file(name: str, tag: str) -> str | None:
    """Return where open_clip has weights, without fetching them.

    Args:
        name: Name of the model.
        tag: Name of its weights.

    Returns:
        ``'the hub'`` where the cache of the hub has them, the path of a file
        that was fetched by its address, or None.
    """
    config = import_open_clip().get_pretrained_cfg(name, tag)
    repository, _, file = config.get('hf_hub', '').rpartition('/')
    if repository and in_hub_cache(repository, (file,) if file else HUB_FILES):
        return 'the hub'
    url = config.get('url', '')
    path = Path(os.path.expanduser('~/.cache/clip')) / url.rpartition('/')[2]
    return str(path) if url and path.is_file() else None


def how_to_get(name: str, tag: str | None) -> str:
    """Say that weights are missing, and how to get them."""
    file = teacher_folder() / f'{name}{"" if tag is None else f".{tag}"}.pth'
    if tag is None:
        return (
            f'{name} needs weights: say which by pretrained_tag (see '
            f'`open_clip.list_pretrained()`), or put a state dict at {file}'
        )
    return (
        f'the weights {tag} of the teacher {name} are not on this machine; '
        'where there is a network, run `python -c "import open_clip; '
        'open_clip.download_pretrained(open_clip.get_pretrained_cfg('
        f"'{name}', '{tag}'))\"`, or put a state dict at {file}"
    )
