"""Where the weights of open_clip's models are, and how they are read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from mmdet3d_act.models.teachers.open_clip_models import (
    import_open_clip,
    pretrained_config,
)
from mmdet3d_act.models.teachers.timm_models import in_hub_cache
from mmdet3d_act.models.teachers.weights import (
    find_named,
    find_weights,
    missing_file,
    read_given,
    read_weights,
    teacher_folder,
)

HUB_FILES = ('open_clip_model.safetensors', 'open_clip_pytorch_model.bin')


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


def missing_weights(
    name: str,
    tag: str | None,
    weights: str | Path | Mapping[str, Tensor] | None,
) -> str | None:
    """Say that the weights of a model are not here; None where they are.

    Args:
        name: Name of the model.
        tag: Name of its weights.
        weights: A file or a state dict that is to be used instead.

    Raises:
        ValueError: If open_clip has no such model or weights.
    """
    if isinstance(weights, str | Path):
        return None if find_weights(weights) else missing_file(weights)
    if weights is not None or find_file(name, tag):
        return None
    pretrained_config(name, tag)
    if tag is not None and is_downloaded(name, tag):
        return None
    return how_to_get(name, tag)


def read_state(
    name: str,
    tag: str | None,
    weights: str | Path | Mapping[str, Tensor] | None,
) -> tuple[dict[str, Tensor], str | None]:
    """Return the pretrained weights of a model, and what they are called.

    Args:
        name: Name of the model.
        tag: Name of its weights.
        weights: A file or a state dict to be used; None for the file in the
            teacher folder, or else open_clip's own download.

    Returns:
        The tensors by name, and the name of the file or of the weights; None
        for that of a state dict.

    Raises:
        FileNotFoundError: If the weights are neither here nor to be had.
        ValueError: If the file cannot be read.
    """
    given_state = read_given(weights, find_file(name, tag))
    if given_state is not None:
        return given_state
    return read_weights(_download(name, tag)), f'{name}.{tag}'


def _download(name: str, tag: str | None) -> Path:
    """Return the file of the weights that open_clip has, or fetches."""
    if tag is None:
        raise FileNotFoundError(how_to_get(name, tag))
    library = import_open_clip()
    try:
        return Path(library.download_pretrained(pretrained_config(name, tag)))
    except Exception as error:
        raise FileNotFoundError(
            f'{how_to_get(name, tag)} (open_clip said '
            f'{type(error).__name__}: {error})'
        ) from error


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
