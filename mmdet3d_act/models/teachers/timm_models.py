"""Models of timm: their names, how they are built, where weights are."""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from mmdet3d_act.models.teachers.weights import (
    find_named,
    find_weights,
    missing_file,
    read_given,
    teacher_folder,
)

# Names of the published configs (timm 0.5), and what they mean in timm 1.0.
RELEASED_NAMES = {
    'vit_base_patch16_384': 'vit_base_patch16_384.augreg_in21k_ft_in1k',
    'vit_small_patch16_384': 'vit_small_patch16_384.augreg_in21k_ft_in1k',
    'vit_base_r50_s16_384': 'vit_base_r50_s16_384.orig_in21k_ft_in1k',
    'vit_base_r50_s16_224_in21k': 'vit_base_r50_s16_224.orig_in21k',
    'deit_base_distilled_patch16_384': (
        'deit_base_distilled_patch16_384.fb_in1k'
    ),
    'deit_small_distilled_patch16_224': (
        'deit_small_distilled_patch16_224.fb_in1k'
    ),
    'beit_base_patch16_384': 'beit_base_patch16_384.in22k_ft_in22k_in1k',
    'beit_large_patch16_384': 'beit_large_patch16_384.in22k_ft_in22k_in1k',
    'mixer_b16_224_in21k': 'mixer_b16_224.goog_in21k',
    'mixer_b16_224_miil': 'mixer_b16_224.miil_in21k_ft_in1k',
    'resmlp_24_distilled_224': 'resmlp_24_224.fb_distilled_in1k',
}
# Files of a model's repository on the hub that hold its weights.
HUB_FILES = ('model.safetensors', 'pytorch_model.bin')


def current_name(name: str) -> str:
    """Return what a model is called in timm 1.0.

    Args:
        name: That name, or one of ``RELEASED_NAMES``.
    """
    return RELEASED_NAMES.get(name, name)


def create_network(
    name: str, *, pretrained: bool = False, **model_args: Any
) -> nn.Module:
    """Return a model of timm.

    Args:
        name: Its name in timm 1.0.
        pretrained: Whether with its weights, fetched where necessary.
        **model_args: Further arguments of ``timm.create_model``.

    Raises:
        ImportError: If timm is not installed.
        ValueError: If timm has no such model.
    """
    timm = _import_timm()
    if ':' in name:
        raise ValueError(
            f'expected a name out of timm.list_models(), got {name!r}; '
            'building a model from a hub would fetch its config: name the '
            'architecture, and the file by weights='
        )
    try:
        return timm.create_model(name, pretrained=pretrained, **model_args)
    except RuntimeError as error:
        if timm.is_model(name.partition('.')[0]) and (
            'pretrained tag' not in str(error)
        ):
            raise
        raise ValueError(unknown_model(name)) from error


def unknown_model(name: str) -> str:
    """Say that timm has no such model or tag, and which are like it."""
    timm = _import_timm()
    base = name.partition('.')[0]
    if timm.is_model(base):
        known = timm.list_models(f'{base}.*', pretrained=True)
        what = f'timm has no weights {name!r}; those of {base} are'
    else:
        known = difflib.get_close_matches(base, timm.list_models(), 5, 0.5)
        what = f'timm {timm.__version__} has no model {name!r}; alike are'
    return f'{what} {", ".join(known) or "none"}'


def list_networks() -> list[str]:
    """Return the names of timm's architectures.

    Raises:
        ImportError: If timm is not installed.
    """
    return _import_timm().list_models()


def list_weights() -> list[str]:
    """Return the names of timm's weights, architecture and tag.

    Raises:
        ImportError: If timm is not installed.
    """
    return _import_timm().list_pretrained()


def is_downloaded(name: str) -> bool:
    """Return whether timm has the weights of a model in its cache.

    Args:
        name: Name of the model in timm.
    """
    from timm.models import get_pretrained_cfg

    cfg = get_pretrained_cfg(name)
    if cfg is None:
        return False
    if cfg.hf_hub_id and in_hub_cache(cfg.hf_hub_id, HUB_FILES):
        return True
    url = cfg.url or ''
    cached = Path(torch.hub.get_dir()) / 'checkpoints' / url.split('/')[-1]
    return bool(url) and cached.is_file()


def in_hub_cache(repository: str, files: Iterable[str]) -> bool:
    """Return whether the cache of the hub holds one of the files.

    Args:
        repository: Its id, ``owner/name``.
        files: Names of files, of which any will do.
    """
    if importlib.util.find_spec('huggingface_hub') is None:
        return False
    from huggingface_hub import try_to_load_from_cache

    return any(
        isinstance(try_to_load_from_cache(repository, file), str)
        for file in files
    )


def find_file(given: str) -> Path | None:
    """Return the weights file of a model in the teacher folder.

    Args:
        given: Name of the model in timm, or one of ``RELEASED_NAMES``; the
            file is called so, with or without the tag after the dot.
    """
    name = current_name(given)
    names = [name, given, name.partition('.')[0]]
    return find_named(dict.fromkeys(names))


def how_to_get(name: str) -> str:
    """Say that the weights of a model are missing, and how to get them."""
    bare = name.partition('.')[0]
    also = f' or {bare}.pth' if bare != name else ''
    return (
        f'the weights of the teacher {name} are not on this machine; where '
        f'there is a network, run `python -c "import timm; '
        f"timm.create_model('{name}', pretrained=True)\"` (timm, hub id "
        f'timm/{name}), or put a state dict at '
        f'{teacher_folder() / name}.pth{also}'
    )


def missing_weights(
    given: str, weights: str | Path | Mapping[str, Tensor] | None
) -> str | None:
    """Say that the weights of a model are not here; None where they are.

    Args:
        given: See :func:`find_file`.
        weights: A file or a state dict that is to be used instead.
    """
    if isinstance(weights, str | Path):
        return None if find_weights(weights) else missing_file(weights)
    name = current_name(given)
    if weights is not None or find_file(given) or is_downloaded(name):
        return None
    return how_to_get(name)


def read_state(
    given: str,
    weights: str | Path | Mapping[str, Tensor] | None,
    model_args: Mapping[str, Any],
) -> tuple[dict[str, Tensor], str | None]:
    """Return the pretrained weights of a model, and what they are called.

    Args:
        given: See :func:`find_file`.
        weights: A file or a state dict to be used; None for the file in the
            teacher folder, or else timm's own download.
        model_args: Further arguments of ``timm.create_model``.

    Returns:
        The tensors by name, and the name of the file or of the model; None
        for that of a state dict.

    Raises:
        FileNotFoundError: If the weights are neither here nor to be had.
        ValueError: If the file cannot be read.
    """
    given_state = read_given(weights, find_file(given))
    if given_state is not None:
        return given_state
    name = current_name(given)
    try:
        network = create_network(name, pretrained=True, **model_args)
    except Exception as error:
        raise FileNotFoundError(
            f'{how_to_get(name)} (timm said {type(error).__name__}: {error})'
        ) from error
    return dict(network.state_dict()), name


def convert_names(
    state: Mapping[str, Tensor], name: str, **model_args: Any
) -> Mapping[str, Tensor]:
    """Return a state dict with the names that the installed timm has.

    timm knows how the authors of a model and its own earlier versions called
    the parameters; this asks it.

    Args:
        state: Name to tensor, as a file has it.
        name: Name of the model in timm.
        **model_args: Further arguments of ``timm.create_model``.

    Returns:
        The renamed tensors; ``state`` where timm cannot rename them.
    """
    with torch.device('meta'):
        network = create_network(name, **model_args)
    module = sys.modules[type(network).__module__]
    rename = getattr(module, 'checkpoint_filter_fn', None)
    if rename is None:
        return state
    options = {'adapt_layer_scale'} & set(inspect.signature(rename).parameters)
    try:
        return rename(dict(state), network, **dict.fromkeys(options, True))
    except (KeyError, RuntimeError, ValueError, AttributeError):
        # Not a file of this model: the names are compared, and reported.
        return state


def wants_quick_gelu(name: str) -> bool:
    """Return whether weights were trained with quick-GELU, and it has GELU.

    Args:
        name: Name of the model in timm, with its tag.
    """
    from timm.models import get_pretrained_cfg

    cfg = get_pretrained_cfg(name)
    notes = '' if cfg is None else ' '.join(cfg.notes or ())
    return 'quickgelu' in notes.lower() and 'quickgelu' not in name


def _import_timm() -> ModuleType:
    try:
        import timm
    except ImportError as error:
        raise ImportError(
            'TimmTeacher needs timm; install it with '
            '`pip install "mmdet3d_act[teacher]"`'
        ) from error
    return timm
