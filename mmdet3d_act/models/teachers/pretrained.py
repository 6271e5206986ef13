"""Pretrained weights: where they are, and how a teacher loads them.

Every teacher looks in the same places, in this order: the file that a config
names, folders (an installed package, a model's folder), a file called as the
model in the teacher folder, and the cache of Hugging Face's hub.
"""

from __future__ import annotations

import importlib
import inspect
import os
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet3d_act.checkpoint import (
    fill_module,
    read_weights,
    under_prefix,
    weights_of,
)
from mmdet3d_act.text import inform

SUFFIXES = ('.safetensors', '.pth', '.pt', '.npz')
# What models call their weights file, the preferred one first.
WEIGHT_FILES = ('model.safetensors', 'pytorch_model.bin')
# What may stand before all names of a state dict.
WRAPPER_PREFIXES = ('module.', 'model.', 'backbone.')
REMEDY = 'give the weights of the model that the config names'
# What the hub's library raises without the file, a network or a valid name.
NO_DOWNLOAD = (ImportError, OSError, ValueError)

Weights = str | Path | Mapping[str, Tensor] | None


def teacher_folder() -> Path:
    """``$ACT_DATA_ROOT/teachers``, by default ``data/teachers``."""
    return Path(os.environ.get('ACT_DATA_ROOT') or 'data') / 'teachers'


@dataclass(frozen=True)
class WeightSource:
    """The places that may hold the weights of a model.

    Attributes:
        model: What messages call it.
        names: Names of its file in the teacher folder, without the suffix.
        hub_id: Its repository on Hugging Face's hub; None without one.
        files: What its weights file is called in a repository or a folder.
        folders: Folders of its own.
        remedy: How to get the weights; None for a download from the hub.
    """

    model: str
    names: tuple[str, ...] = ()
    hub_id: str | None = None
    files: tuple[str, ...] = WEIGHT_FILES
    folders: tuple[Path, ...] = ()
    remedy: str | None = None

    def find(self, weights: str | Path | None = None) -> Path | None:
        """Look for the weights file on this machine.

        Args:
            weights: A file to use instead of the model's own; a bare file
                name is looked for in the teacher folder too.

        Returns:
            The file, or None where there is none.
        """
        if weights is not None:
            places = _given_places(weights)
            return next((path for path in places if path.is_file()), None)
        places = [folder / f for folder in self.folders for f in self.files]
        places += [
            teacher_folder() / f'{name}{suffix}'
            for name in self.names
            for suffix in SUFFIXES
        ]
        try:
            own = (path for path in places if path.is_file())
            return next(own, None) or self._from_hub(local_files_only=True)
        except NO_DOWNLOAD:
            return None

    def _from_hub(self, *, local_files_only: bool) -> Path:
        """Find the file in the cache of the hub, or download it."""
        if self.hub_id is None:
            raise FileNotFoundError(f'{self.model} is not on the hub')
        from huggingface_hub import hf_hub_download

        faults = []
        for file in self.files:
            try:
                return Path(
                    hf_hub_download(
                        self.hub_id, file, local_files_only=local_files_only
                    )
                )
            except OSError as error:
                faults.append(error)
        raise faults[0]

    def problem(self, weights: Weights = None) -> str | None:
        """Say that the weights are missing, with the remedy.

        Args:
            weights: A file or a state dict to use instead of the model's own.

        Returns:
            One sentence; None where the weights are here.
        """
        if isinstance(weights, Mapping) or self.find(weights):
            return None
        remedy = self.remedy
        if remedy is None and self.hub_id is not None:
            remedy = (
                'where there is a network, run `python -c "import '
                'huggingface_hub as hub; '
                f"hub.hf_hub_download('{self.hub_id}', '{self.files[0]}')\"`"
            )
        if weights is not None:
            places = ' or '.join(map(str, _given_places(weights)))
            text = f'the teacher weights {Path(weights).name} are missing; '
            text += f'put them at {places}'
            own = f"or name no file, and for the model's own {remedy}"
            return f'{text}, {own}' if remedy else text
        own = f'put them at {teacher_folder() / self.names[0]}.safetensors'
        return (
            f'the weights of the teacher {self.model} are not on this '
            f'machine; {f"{remedy}, or " if remedy else ""}{own}'
        )

    def read(
        self, weights: Weights = None
    ) -> tuple[dict[str, Tensor], str | None]:
        """Read the weights; fetch them from the hub where they are missing.

        Args:
            weights: A file or a state dict to use instead of the model's own.

        Returns:
            The tensors by name, and the name of the file or of the model;
            None for a state dict, which no name gives again.

        Raises:
            FileNotFoundError: If they are neither here nor to be had.
            CheckpointError: If the file cannot be read.
        """
        if isinstance(weights, Mapping):
            return without_wrapper(weights_of(weights, 'the state dict')), None
        path = self.find(weights)
        if path is None:
            problem = self.problem(weights)
            if weights is not None or self.hub_id is None:
                raise FileNotFoundError(problem)
            try:
                path = self._from_hub(local_files_only=False)
            except NO_DOWNLOAD as error:
                raise FileNotFoundError(
                    f'{problem} ({type(error).__name__}: {error})'
                ) from error
        own = weights is None and path.name in self.files
        state = without_wrapper(read_weights(path))
        return state, self.model if own else path.name


def _given_places(weights: str | Path) -> list[Path]:
    path = Path(weights).expanduser()
    bare = path.name == str(path)
    return [teacher_folder() / path, path] if bare else [path]


class PretrainedTeacher(BaseModule):
    """What teachers share: weights that come from a file or from the hub.

    Weights are loaded by ``init_weights()``, never by the constructor.

    Args:
        source: Where the weights are; None for a module that has none.
        weights: A file or a state dict in their place.
        init_cfg: Initialisation config.
    """

    def __init__(
        self,
        source: WeightSource | None = None,
        weights: Weights = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.source = source
        self.weights = weights

    @classmethod
    @abstractmethod
    def weight_source(cls, *args: Any, **kwargs: Any) -> WeightSource:
        """Name the places of a model's weights.

        The arguments are those of the class that say which model and which
        weights of it, the name first.

        Raises:
            ImportError: If the library is not installed.
            ValueError: If it has no such model or weights.
        """

    @classmethod
    def check_requirements(cls, cfg: dict) -> list[str]:
        """Find what keeps a config from running, with the remedy."""
        try:
            source = cls.weight_source(**arguments_of(cfg, cls.weight_source))
        except (ImportError, ValueError) as error:
            return [str(error)]
        if not cfg.get('pretrained', True):
            return []
        problem = source.problem(cfg.get('weights', cfg.get('checkpoint')))
        return [] if problem is None else [problem]

    def convert_state(self, state: Mapping[str, Tensor]) -> Mapping:
        """Rename what a file calls otherwise than the library does today."""
        return state

    def fill_part(
        self, part: nn.Module, names: Mapping[str, str] | None = None
    ) -> str | None:
        """Read the weights and fill a part of this module.

        Args:
            part: What to fill; every tensor is needed.
            names: What its tensors are called in the model that weights
                files hold; None where they have the same names.

        Returns:
            Name of the file or of the model in its library; None where the
            weights have no name that gives them again.

        Raises:
            FileNotFoundError: If the weights are neither here nor to be had.
            CheckpointError: If they do not fit.
        """
        read, name = self.source.read(self.weights)
        state = self.convert_state(read)
        if names is not None:
            state = {k: state[v] for k, v in names.items() if v in state}
        source = name or 'the state dict'
        fill_module(part, state, source, allow_unused=True, remedy=REMEDY)
        inform(f'{type(self).__name__}: weights of {source} loaded')
        return name


def arguments_of(cfg: Mapping, function: Callable) -> dict[str, Any]:
    """Take the arguments of a function out of a config."""
    known = inspect.signature(function).parameters
    return {key: cfg[key] for key in known if key in cfg}


def import_library(package: str, extra: str) -> ModuleType:
    """Import a library of teachers."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f'the teacher needs {package} ({error}); run `pip install '
            f'"mmdet3d_act[{extra}]"`'
        ) from error


def without_wrapper(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take off what stands before all names of a state dict."""
    state = dict(state)
    for prefix in WRAPPER_PREFIXES:
        if all(key.startswith(prefix) for key in state):
            state = under_prefix(state, prefix)
    return state
