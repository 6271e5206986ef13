"""Reading published checkpoint files without executing what they hold."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from mmdet3d_act.checkpoint import (
    read_checkpoint,
    resolve_checkpoint,
    weights_of,
)
from mmdet3d_act.io import file_hash

# Under which names files keep the weights: ACT, Point-MAE, Point-BERT,
# MaskPoint and ReCon; 3DETR; the segmentation scripts; others.
WRAPPERS = ('base_model', 'model', 'model_state_dict', 'state_dict')
# What single-process training leaves before all names.
PREFIXES = ('module.', 'base_model.')
# Beyond tensors and numpy's scalars; built from plain values only.
ALLOWED = (argparse.Namespace,)


class PublishedFile(NamedTuple):
    """What a published checkpoint holds.

    Attributes:
        source: The file's name.
        sha256: Of the file.
        state: Its tensors by published name, without ``module.`` in front.
        odd: What stands among the tensors and is none, with its type.
    """

    source: str
    sha256: str
    state: dict[str, Tensor]
    odd: dict[str, str]


def read_published(path: str | Path) -> PublishedFile:
    """Read a published checkpoint.

    Besides tensors a file may have numpy's scalars and arrays and
    ``argparse.Namespace``, as published ones do; any other object is refused,
    because building it would run code that the file names.

    Raises:
        CheckpointError: If there is no such file, it cannot be read, or holds
            a refused object, no weights or such as are not finite.
    """
    path = Path(resolve_checkpoint(path))
    loaded = read_checkpoint(path, allowed=ALLOWED)
    wrapper = _wrapper(loaded)
    weights = loaded if wrapper is None else loaded[wrapper]
    state = weights_of(weights, str(path), wrappers=())
    return PublishedFile(
        path.name,
        file_hash(path),
        {_bare(name): value for name, value in state.items()},
        {
            _bare(str(name)): type(value).__name__
            for name, value in weights.items()
            if name not in state
        },
    )


def _wrapper(loaded: Mapping) -> str | None:
    """Find under which name a file keeps its weights; None at the top."""
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
