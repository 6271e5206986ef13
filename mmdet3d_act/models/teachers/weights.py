"""Pretrained weights: find the file, read it, fill a module exactly."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mmdet3d_act.checkpoint import CheckpointError

SUFFIXES = ('.pth', '.pt', '.safetensors', '.npz')
# Under which names files hold a state dict among other things.
WRAPPERS = ('state_dict', 'model', 'module')
# What may stand before all names of a state dict.
WRAPPER_PREFIXES = ('module.', 'model.', 'backbone.')


def teacher_folder() -> Path:
    """Return ``$ACT_DATA_ROOT/teachers``, by default ``data/teachers``."""
    return Path(os.environ.get('ACT_DATA_ROOT') or 'data') / 'teachers'


def find_weights(path: str | Path) -> Path | None:
    """Return where a weights file is; None where it is not.

    Args:
        path: A path, or a bare file name, which is looked for in the teacher
            folder first.
    """
    given = Path(path).expanduser()
    candidates = [given]
    if given.name == str(given):
        candidates.insert(0, teacher_folder() / given)
    return next((one for one in candidates if one.is_file()), None)


def find_named(names: Iterable[str]) -> Path | None:
    """Return the file of a model in the teacher folder; None without one.

    Args:
        names: Names of the model; the file is called so, with one of
            ``SUFFIXES``.
    """
    for name in names:
        for suffix in SUFFIXES:
            path = teacher_folder() / f'{name}{suffix}'
            if path.is_file():
                return path
    return None


def missing_file(path: str | Path) -> str:
    """Say that a weights file is missing, and where to put it."""
    places = [str(Path(path).expanduser())]
    if Path(path).name == str(path):
        places.insert(0, str(teacher_folder() / path))
    return (
        f'the teacher weights {Path(path).name} are missing; put the file at '
        f'{" or ".join(places)} (ACT_DATA_ROOT sets the data folder), or name '
        'another by weights='
    )


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a weights file, on the CPU.

    Args:
        path: ``.safetensors``, ``.npz``, or a file of ``torch.save`` without
            a program in it.

    Raises:
        CheckpointError: If the file cannot be read, or holds no tensors.
    """
    if _is_torch_script(path):
        raise CheckpointError(
            f'{path} is a TorchScript archive, a program beside its weights, '
            "as OpenAI's CLIP files are; save its state dict once, where you "
            'trust the file: `python -c "import torch; torch.save(torch.jit.'
            f"load('{path}', map_location='cpu').state_dict(), "
            f"'{path.with_suffix('.pth')}')\"`, and name that file"
        )
    try:
        if path.suffix == '.safetensors':
            from safetensors.torch import load_file

            state = load_file(path)
        elif path.suffix == '.npz':
            with np.load(path, allow_pickle=False) as file:
                state = {k: torch.from_numpy(file[k]) for k in file.files}
        else:
            state = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f'{path} is no readable weights file ({type(error).__name__}: '
            f'{error}); expected safetensors, npz or a state dict saved by '
            'torch.save, tensors only'
        ) from error
    return as_state_dict(state, str(path))


def read_given(
    weights: str | Path | Mapping[str, Tensor] | None, found: Path | None
) -> tuple[dict[str, Tensor], str | None] | None:
    """Return the weights that a user gave, and the name of their file.

    Args:
        weights: A file or a state dict; None for ``found``.
        found: The model's own file; None where there is none.

    Returns:
        The tensors by name, and the name of the file, None for that of a
        state dict; None where there are neither.

    Raises:
        FileNotFoundError: If a file was named that is not there.
        ValueError: If the file cannot be read.
    """
    if isinstance(weights, Mapping):
        return as_state_dict(weights), None
    if weights is not None:
        found = find_weights(weights)
        if found is None:
            raise FileNotFoundError(missing_file(weights))
    return None if found is None else (read_weights(found), found.name)


def _is_torch_script(path: Path) -> bool:
    """Return whether a file is an archive of ``torch.jit.save``."""
    if path.suffix == '.npz' or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any('/code/' in name for name in archive.namelist())


def as_state_dict(state: Mapping, name: str = 'weights') -> dict[str, Tensor]:
    """Return the tensors of a mapping, half precision turned to float32.

    Args:
        state: Name to tensor, perhaps wrapped as in a training checkpoint.
        name: What it is called in errors.

    Raises:
        CheckpointError: If there are no tensors.
    """
    for key in WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    items = state.items() if isinstance(state, Mapping) else ()
    tensors = {k: v for k, v in items if isinstance(v, Tensor)}
    if not tensors:
        raise CheckpointError(
            f'expected {name} to map parameter names to tensors, got '
            f'{type(state).__name__} without any; save model.state_dict()'
        )
    if any(key.startswith('Transformer/encoder') for key in tensors):
        raise CheckpointError(
            f'{name} has the layout of the original JAX release; load it once '
            'with timm and save the state dict of the timm model'
        )
    for prefix in WRAPPER_PREFIXES:
        if all(key.startswith(prefix) for key in tensors):
            tensors = {k[len(prefix) :]: v for k, v in tensors.items()}
    return {
        key: value.float()
        if value.dtype in (torch.float16, torch.bfloat16)
        else value
        for key, value in tensors.items()
    }


def fill_module(
    module: nn.Module,
    state: Mapping[str, Tensor],
    prefixes: Iterable[str] = ('',),
    *,
    name: str = 'weights',
) -> None:
    """Fill every tensor of a module from a state dict.

    Args:
        module: What to fill; every parameter and buffer is needed.
        state: May hold more.
        prefixes: What may stand before the module's names; the first under
            which the state dict has one of them is taken.
        name: What the state dict is called in errors.

    Raises:
        CheckpointError: If a tensor is missing or has another shape.
    """
    own = module.state_dict()
    prefixes = list(prefixes)
    prefix = next(
        (p for p in prefixes if any(p + key in state for key in own)),
        prefixes[0],
    )
    missing = [prefix + key for key in own if prefix + key not in state]
    wrong = [
        f'{prefix + key} {tuple(state[prefix + key].shape)} instead of '
        f'{tuple(value.shape)}'
        for key, value in own.items()
        if prefix + key in state and state[prefix + key].shape != value.shape
    ]
    if missing or wrong:
        faults = []
        if missing:
            faults.append(f'{len(missing)} missing: {_some(missing)}')
        if wrong:
            faults.append(f'{len(wrong)} of another shape: {_some(wrong)}')
        raise CheckpointError(
            f'{name} does not fit {type(module).__name__}: '
            f'{"; ".join(faults)}. Its names begin {_some(sorted(state), 3)}; '
            'give the weights of the model that the config names'
        )
    module.load_state_dict({key: state[prefix + key] for key in own})


def _some(names: list[str], count: int = 8) -> str:
    rest = len(names) - count
    shown = ', '.join(names[:count])
    return f'{shown} and {rest} more' if rest > 0 else shown
