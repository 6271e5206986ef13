"""Reading published checkpoint files without executing what they hold."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

from torch import Tensor

from mmdet3d_act import compat
from mmdet3d_act.files import file_hash

# Under which names files keep the weights: ACT, Point-MAE, Point-BERT,
# MaskPoint and ReCon; 3DETR; the segmentation scripts; others.
WRAPPERS = ('base_model', 'model', 'model_state_dict', 'state_dict')
# What single-process training leaves before all names.
PREFIXES = ('module.', 'base_model.')
# Beyond tensors and numpy's scalars; built from plain values only.
ALLOWED = (argparse.Namespace,)
REFUSED = re.compile(r'(?:GLOBAL|got|class) ([A-Za-z_][\w.]*\.\w+)')


class PublishedFile(NamedTuple):
    """What a published checkpoint holds.

    Attributes:
        source: The file's name.
        sha256: Of the file.
        state: Its tensors by published name, without ``module.`` in front.
        odd: What stands among the tensors and is none, with its type.
        entries: What else the file holds, beside the weights, with its type.
    """

    source: str
    sha256: str
    state: dict[str, Tensor]
    odd: dict[str, str]
    entries: dict[str, str]


def read_published(path: str | Path) -> PublishedFile:
    """Return what a published checkpoint holds.

    Besides tensors a file may have numpy's scalars and arrays and
    ``argparse.Namespace``, as released ones do; any other object is refused,
    because building it would run code that the file names.

    Args:
        path: A file of ``torch.save``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, or holds a refused object or no
            weights.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f'the checkpoint {path} does not exist; correct the path'
        )
    try:
        loaded = compat.load_checkpoint(str(path), also=ALLOWED)
    except UnpicklingError as error:
        raise ValueError(_refusal(path, error)) from error
    if not isinstance(loaded, Mapping):
        raise ValueError(
            f'{path} holds an object of the type {type(loaded).__name__}, '
            'expected a dict with weights; save the state dict of a model'
        )
    wrapper = _wrapper(loaded)
    weights = loaded if wrapper is None else loaded[wrapper]
    state = {k: v for k, v in weights.items() if isinstance(v, Tensor)}
    if not state:
        raise ValueError(
            f'{path} holds no weights, looked for under {list(WRAPPERS)} and '
            f'at the top; found {list(loaded)[:8]}'
        )
    kinds = {str(k): type(v).__name__ for k, v in loaded.items()}
    return PublishedFile(
        path.name,
        file_hash(path),
        {_bare(name): value for name, value in state.items()},
        {
            _bare(str(name)): type(value).__name__
            for name, value in weights.items()
            if name not in state
        },
        {}
        if wrapper is None
        else {name: kind for name, kind in kinds.items() if name != wrapper},
    )


def _wrapper(loaded: Mapping) -> str | None:
    """Return under which name a file keeps its weights; None at the top."""
    for name in WRAPPERS:
        inner = loaded.get(name)
        if isinstance(inner, Mapping) and any(
            isinstance(value, Tensor) for value in inner.values()
        ):
            return name
    return None


def _bare(name: str) -> str:
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _refusal(path: Path, error: Exception) -> str:
    found = REFUSED.search(str(error))
    if found is None:
        return (
            f'{path} cannot be read without executing code: {error}; expected '
            'a file of torch.save with tensors, numpy scalars and '
            'argparse.Namespace only'
        )
    return (
        f'{path} holds an object of the type {found[1]}, which is refused: '
        'building it could execute code. Allowed are tensors, numpy scalars '
        'and argparse.Namespace; where you trust the file, load it once '
        'yourself and save its weights alone'
    )
