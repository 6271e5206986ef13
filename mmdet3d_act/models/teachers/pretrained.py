"""Pretrained weights: where they are, and how a teacher loads them.

Every teacher looks in the same places, in this order: the file that a config
names, folders (an installed package, a model's folder), a file called as the
model in the teacher folder, and the cache of Hugging Face's hub.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet3d_act.checkpoint import fill_module, read_weights, weights_of

SUFFIXES = ('.safetensors', '.pth', '.pt', '.npz')
# What models call their weights file, the preferred one first.
WEIGHT_FILES = ('model.safetensors', 'pytorch_model.bin')
# What may stand before all names of a state dict.
WRAPPER_PREFIXES = ('module.', 'model.', 'backbone.')
REMEDY = 'give the weights of the model that the config names'

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

    def find(self, weights: Weights = None) -> Path | None:
        """Look for the weights file on this machine.

        Args:
            weights: A file to use instead of the model's own; a bare file
                name is looked for in the teacher folder too.

        Returns:
            The file, or None where there is none.
        """
        places = self._places() if weights is None else _given_places(weights)
        found = next((path for path in places if path.is_file()), None)
        return found or (self._cached() if weights is None else None)

    def _places(self) -> Iterator[Path]:
        for folder in self.folders:
            for file in self.files:
                yield folder / file
        for name in self.names:
            for suffix in SUFFIXES:
                yield teacher_folder() / f'{name}{suffix}'

    def _cached(self) -> Path | None:
        """Look into the cache of the hub; nothing is fetched."""
        if self.hub_id is None:
            return None
        if importlib.util.find_spec('huggingface_hub') is None:
            return None
        from huggingface_hub import try_to_load_from_cache

        try:
            paths = [
                try_to_load_from_cache(self.hub_id, file)
                for file in self.files
            ]
        except ValueError:
            # No name that the hub could have.
            return None
        found = next((path for path in paths if isinstance(path, str)), None)
        return None if found is None else Path(found)

    def problem(self, weights: Weights = None) -> str | None:
        """Say that the weights are missing, with the remedy.

        Args:
            weights: A file or a state dict to use instead of the model's own.

        Returns:
            One sentence; None where the weights are here.
        """
        if isinstance(weights, Mapping) or self.find(weights):
            return None
        if weights is not None:
            places = ' or '.join(map(str, _given_places(weights)))
            name = Path(weights).name
            return (
                f'the teacher weights {name} are missing; put them at {places}'
            )
        remedy = self.remedy
        if remedy is None and self.hub_id is not None:
            remedy = (
                'where there is a network, run `python -c "import '
                'huggingface_hub as hub; '
                f"hub.hf_hub_download('{self.hub_id}', '{self.files[0]}')\"`"
            )
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
        if path is None and weights is None and self.hub_id is not None:
            path = self._fetch()
        if path is None:
            raise FileNotFoundError(self.problem(weights))
        own = weights is None and path.name in self.files
        state = without_wrapper(read_weights(path))
        return state, self.model if own else path.name

    def _fetch(self) -> Path:
        """Download the file from the hub."""
        fault: Exception | None = None
        try:
            from huggingface_hub import hf_hub_download

            for file in self.files:
                try:
                    return Path(hf_hub_download(self.hub_id, file))
                except OSError as error:
                    fault = fault or error
        except (ImportError, ValueError) as error:
            fault = error
        raise FileNotFoundError(
            f'{self.problem()} ({type(fault).__name__}: {fault})'
        ) from fault


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
        """

    @classmethod
    def check_model(cls, cfg: dict) -> None:
        """Refuse a model that cannot be a teacher, before it is built.

        Args:
            cfg: The config of this class.

        Raises:
            ImportError: If its library is not installed.
            ValueError: If it cannot.
        """

    @classmethod
    def check_requirements(cls, cfg: dict) -> list[str]:
        """Find what keeps a config from running, with the remedy.

        Args:
            cfg: The config of this class.
        """
        try:
            cls.check_model(cfg)
            if not cfg.get('pretrained', True):
                return []
            source = cls.weight_source(**arguments_of(cfg, cls.weight_source))
        except (ImportError, ValueError) as error:
            return [str(error)]
        problem = source.problem(cfg.get('weights', cfg.get('checkpoint')))
        return [] if problem is None else [problem]

    def convert_state(self, state: Mapping[str, Tensor]) -> Mapping:
        """Rename what a file calls otherwise than the library does today.

        Args:
            state: Name to tensor, as read.
        """
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
        state, name = self.source.read(self.weights)
        state = self.convert_state(state)
        if names is not None:
            state = {k: state[v] for k, v in names.items() if v in state}
        source = name or 'the state dict'
        fill_module(part, state, source, allow_unused=True, remedy=REMEDY)
        print_log(
            f'{type(self).__name__}: weights of {source} loaded',
            logger='current',
        )
        return name


def arguments_of(cfg: Mapping, function: Callable) -> dict[str, Any]:
    """Take the arguments of a function out of a config.

    Args:
        cfg: The config of a class.
        function: Takes some of the class's settings.
    """
    known = inspect.signature(function).parameters
    return {key: cfg[key] for key in known if key in cfg}


def import_library(package: str, extra: str) -> ModuleType:
    """Import a library of teachers.

    Args:
        package: Name of its package.
        extra: The extra of ``mmdet3d_act`` that brings it.

    Raises:
        ImportError: If it is not installed, with the remedy.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f'the teacher needs {package} ({error}); run `pip install '
            f'"mmdet3d_act[{extra}]"`'
        ) from error


def without_wrapper(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take off what stands before all names of a state dict."""
    for prefix in WRAPPER_PREFIXES:
        if all(key.startswith(prefix) for key in state):
            state = {key[len(prefix) :]: state[key] for key in state}
    return dict(state)
