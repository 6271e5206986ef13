"""Weights from files: find a checkpoint, read it, fill a module with it.

Backbones, whole models, frozen autoencoders, teachers, hooks and tools load
their weights here. MMEngine fills what fits and leaves the rest as
initialised; here a module is filled completely, or it is an error. No code of
a file is executed.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import torch
from mmengine.model import BaseModule, PretrainedInit
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from mmdet3d_act import compat
from mmdet3d_act.students import find_student, student_meta, student_names
from mmdet3d_act.text import inform, shortened, warn

LAST_CHECKPOINT = 'last_checkpoint'
# Saved before a training ends early, or validates.
PREEMPTED = 'preempted.pth'
WEB = ('http://', 'https://')
CONVERTER = 'python tools/model_converters/convert_checkpoint.py SRC DST'
REMEDY = (
    'give the config (and the --cfg-options) that it was trained with; a '
    f'published file is converted first: `{CONVERTER}`'
)
# Under which names files hold a state dict among other things.
WRAPPERS = ('state_dict', 'model')
# What an unpickler says of an object that it refuses.
REFUSED = re.compile(r'(?:GLOBAL|got|class) ([A-Za-z_][\w.]*)')


class CheckpointError(ValueError):
    """Weights that cannot be read, or do not fit what they are for."""


class MissingCheckpointError(CheckpointError, FileNotFoundError):
    """A checkpoint that is not there."""


def find_checkpoint(path: str | Path) -> Path | None:
    """Find the file that a path means.

    A work directory means its last checkpoint. The file beside the note
    ``last_checkpoint`` comes first: the path in it is that of the training,
    and the folder may have been copied or moved since. Where the note or the
    file is damaged, the newest checkpoint of the folder that is intact is
    taken, with a warning.

    Args:
        path: A file, the work directory of a training, the folder or the
            name of a student, or the id of one that the cache of Hugging
            Face's hub has.

    Returns:
        The file; None where there is none.
    """
    given, path = str(path), Path(path).expanduser()
    if path.is_file():
        return path
    note = path / LAST_CHECKPOINT
    if not note.is_file():
        return find_student(given)
    text = note.read_bytes().decode('utf-8', 'replace').strip()
    noted = Path(text.partition('\n')[0].replace('\0', ''))
    beside = path / noted.name
    if noted.is_file() and noted.resolve() != beside.resolve():
        warn(f'{note} names {noted}, which is in another folder')
    # The noted one, then those that were saved before it.
    names = ('epoch_*.pth', 'iter_*.pth', PREEMPTED)
    saved = [file for name in names for file in path.glob(name)]
    saved.sort(key=lambda file: file.stat().st_mtime, reverse=True)
    files = [file for file in (beside, noted, *saved) if file.is_file()]
    if not files:
        return None
    # Where all are damaged, reading the first says so.
    found = next(filter(is_intact, files), files[0])
    if found.name != noted.name:
        warn(
            f'{note} names {noted.name or "nothing"}, which is missing or '
            f'damaged; {found} is taken'
        )
    return found


def is_intact(path: Path) -> bool:
    """Compare a file of ``torch.save`` with the checksums that it holds.

    Args:
        path: The file. What is no archive is left to whoever reads it, but
            for an empty or a cut one.
    """
    with path.open('rb') as file:
        if file.read(2) != b'PK':
            return path.stat().st_size > 0
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, EOFError, OSError):
        return False


def resolve_checkpoint(path: str | Path, remedy: str | None = None) -> str:
    """Find the file that a path means, or refuse.

    Args:
        path: A file, a work directory, or an address that MMEngine knows.
        remedy: What to do where there is none.

    Returns:
        The file's path, or the address.

    Raises:
        MissingCheckpointError: If there is none.
    """
    if '://' in str(path):
        return str(path)
    found = find_checkpoint(path)
    if found is None:
        near = get_close_matches(str(path), student_names(), n=1)
        raise MissingCheckpointError(
            f'no checkpoint at {path}, neither a file nor a work directory '
            'with a last checkpoint, nor a known student '
            f'({", ".join(student_names())}); '
            + (f'did you mean {near[0]!r}? Else ' if near else '')
            + (remedy or 'correct the path, or run the training first')
        )
    return str(found)


def read_checkpoint(
    path: str | Path,
    *,
    map_location: str | torch.device | None = 'cpu',
    allowed: Sequence[type] = (),
    remedy: str | None = None,
) -> dict[str, Any]:
    """Read all that a checkpoint holds, without executing code of it.

    Args:
        path: See :func:`resolve_checkpoint`. A file is one of ``torch.save``,
            safetensors or npz; its contents tell which, not its name.
        map_location: Where the tensors of ``torch.save`` are loaded to.
        allowed: Classes that the file may hold besides tensors, plain values
            and the log of a training.
        remedy: What to do where there is no such file.

    Raises:
        MissingCheckpointError: If there is none.
        CheckpointError: If it is damaged, something else, or holds objects
            that are not allowed.
    """
    source = resolve_checkpoint(path, remedy)
    try:
        loaded = _read(source, map_location, allowed)
    except CheckpointError:
        raise
    except Exception as error:
        # A damaged file can raise anything.
        raise CheckpointError(f'{source} {_fault(error)}') from error
    if not isinstance(loaded, Mapping):
        raise CheckpointError(
            f'{source} holds a {type(loaded).__name__}, expected a dict with '
            'weights; save the state dict of a model'
        )
    return dict(loaded)


def _read(
    source: str,
    map_location: str | torch.device | None,
    allowed: Sequence[type],
) -> Mapping[str, Any]:
    if '://' in source:
        source = _download(source)
    kind = _kind_of(source)
    if kind == 'safetensors':
        from safetensors.torch import load_file

        state, meta = load_file(source), student_meta(source)
        return dict(state_dict=state, meta=meta) if meta else state
    if kind == 'npz':
        with np.load(source, allow_pickle=False) as file:
            return {name: torch.from_numpy(file[name]) for name in file.files}
    loaded: Any = compat.load_safely(source, map_location, allowed)
    return loaded


def _download(address: str) -> str:
    """Fetch a file once into the cache of torch.hub.

    Raises:
        CheckpointError: If it is no address of the web.
    """
    if not address.startswith(WEB):
        raise CheckpointError(
            f'{address}: only files and addresses with http:// or https:// '
            'are read without executing code; download it, and give the file'
        )
    name = Path(urlsplit(address).path).name
    digest = hashlib.sha256(address.encode()).hexdigest()[:12]
    path = Path(torch.hub.get_dir(), 'checkpoints', f'{digest}-{name}')
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(address, str(path))
    return str(path)


def _kind_of(path: str) -> str:
    """Tell the format of a file by its contents.

    Raises:
        CheckpointError: If it is one that is often mistaken for weights.
    """
    with Path(path).open('rb') as file:
        head = file.read(512)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            damaged = archive.testzip()
        if damaged:
            raise CheckpointError(
                f'{path} is damaged: {damaged} in it is not what its checksum '
                'says; go on from another checkpoint, or copy the file again'
            )
        if any('/code/' in name for name in names):
            raise CheckpointError(
                f'{path} is a TorchScript archive, a program beside its '
                'weights; where you trust it, save its state dict once: '
                '`python -c "import torch; torch.save(torch.jit.load('
                f"'{path}', map_location='cpu').state_dict(), 'weights.pth')\""
                '`, and name that file'
            )
        arrays = names and all(name.endswith('.npy') for name in names)
        return 'npz' if arrays else 'torch'
    if head.lstrip()[:1] == b'<':
        raise CheckpointError(
            f'{path} is a web page (HTML or XML), the download failed; '
            'download the file itself'
        )
    if head.startswith(b'version https://git-lfs'):
        raise CheckpointError(
            f'{path} is the pointer of a file in Git LFS; run `git lfs pull`'
        )
    # Eight bytes of length, then a JSON object.
    return 'safetensors' if head[8:9] == b'{' else 'torch'


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint.

    Args:
        path: See :func:`read_checkpoint`.

    Raises:
        CheckpointError: See :func:`read_checkpoint`, :func:`weights_of`.
    """
    return weights_of(read_checkpoint(path), str(path))


def weights_of(
    checkpoint: Mapping[str, Any],
    source: str,
    wrappers: Sequence[str] = WRAPPERS,
) -> dict[str, Tensor]:
    """Take the tensors out of what a checkpoint holds.

    Args:
        checkpoint: A state dict, or a mapping that holds one.
        source: What it is called in messages.
        wrappers: Names under which it may hold one.

    Raises:
        CheckpointError: If there are no tensors, or some are not finite.
    """
    held = next(
        (
            checkpoint[name]
            for name in wrappers
            if isinstance(checkpoint.get(name), Mapping)
        ),
        checkpoint,
    )
    state = {k: v for k, v in held.items() if isinstance(v, Tensor)}
    if not state:
        raise CheckpointError(
            f'{source} holds no weights, looked for under {list(wrappers)} '
            f'and at the top; found {list(checkpoint)[:8]}. A published file '
            f'is converted first: `{CONVERTER}`'
        )
    # Their ends tell, in one pass: NaN is both of them.
    broken = [
        name
        for name, value in state.items()
        if value.is_floating_point()
        and value.numel()
        and not torch.stack(value.aminmax()).isfinite().all()
    ]
    if broken:
        raise CheckpointError(
            f'{source} has values that are not finite in {shortened(broken)}; '
            'its training failed: take another checkpoint'
        )
    return state


def under_prefix(
    state: Mapping[str, Tensor], prefix: str
) -> dict[str, Tensor]:
    """Select the tensors under a prefix, named without it.

    Args:
        state: A state dict.
        prefix: What stands before the names.
    """
    return {
        name[len(prefix) :]: value
        for name, value in state.items()
        if name.startswith(prefix)
    }


class Match(NamedTuple):
    """What of a module and of a state dict does not fit together.

    Attributes:
        missing: Names of the module that the state dict lacks.
        unexpected: Names of the state dict that the module lacks.
        shapes: Names with both shapes, where they differ.
        filled: Number of tensors that were filled.
    """

    missing: list[str]
    unexpected: list[str]
    shapes: list[str]
    filled: int

    @property
    def is_complete(self) -> bool:
        """Whether everything fits."""
        return not (self.missing or self.unexpected or self.shapes)

    def report(self) -> str:
        """Describe the misfits in one line; empty where there are none."""
        faults = (
            ('missing', self.missing),
            ('without a place', self.unexpected),
            ('of another shape', self.shapes),
        )
        return '; '.join(
            f'{len(names)} tensors {fault} ({shortened(names)})'
            for fault, names in faults
            if names
        )


def load_matching(module: nn.Module, state: Mapping[str, Tensor]) -> Match:
    """Fill what fits of a module, and tell the rest.

    Args:
        module: What to fill.
        state: A state dict of it, or of a similar module.
    """
    # Not of state_dict(), which leaves out what is frozen.
    own = dict(module.named_parameters(remove_duplicate=False))
    own |= dict(module.named_buffers(remove_duplicate=False))
    other = [
        name
        for name, value in state.items()
        if name in own and own[name].shape != value.shape
    ]
    fitting = {name: v for name, v in state.items() if name not in other}
    missing, unexpected = module.load_state_dict(fitting, strict=False)
    return Match(
        [name for name in missing if name not in other],
        list(unexpected),
        [
            f'{name}: expected {tuple(own[name].shape)}, got '
            f'{tuple(state[name].shape)}'
            for name in other
        ],
        len(fitting) - len(unexpected),
    )


def fill_module(
    module: nn.Module,
    state: Mapping[str, Tensor],
    source: str,
    *,
    optional: Iterable[str] = (),
    allow_unused: bool = False,
    remedy: str = REMEDY,
) -> Match:
    """Fill every tensor of a module from a state dict.

    Args:
        module: What to fill.
        state: Its state dict.
        source: What the state dict is called in messages.
        optional: Names of a part that the state dict or the module may be
            without, as a whole.
        allow_unused: Whether the state dict may hold more.
        remedy: What to do where they do not fit.

    Returns:
        What is not filled or not used, which is allowed.

    Raises:
        CheckpointError: If they do not fit.
    """
    match = load_matching(module, state)
    optional = set(optional)
    may_lack = set() if optional & set(state) else optional
    may_hold = set(match.unexpected) if allow_unused else optional
    faults = match._replace(
        missing=[name for name in match.missing if name not in may_lack],
        unexpected=[n for n in match.unexpected if n not in may_hold],
    )
    if not faults.is_complete:
        raise CheckpointError(
            f'{source} does not fit {type(module).__name__}: '
            f'{faults.report()}; {remedy}'
        )
    return match


def pretrained_part(init_cfg: object) -> Mapping | None:
    """Find the part of an ``init_cfg`` that loads a checkpoint.

    Args:
        init_cfg: Of any module: a dict, a list of them, or None.

    Returns:
        The last such part; None where there is none.
    """
    parts = init_cfg if isinstance(init_cfg, list | tuple) else [init_cfg]
    found = [
        part
        for part in parts
        if isinstance(part, Mapping) and _loads(part.get('type'))
    ]
    return found[-1] if found else None


def _loads(kind: object) -> bool:
    if isinstance(kind, str):
        kind = WEIGHT_INITIALIZERS.get(kind)
    return kind is PretrainedInit


class PretrainedModel:
    """Mixin of whole models: ``init_cfg=dict(type='Pretrained')`` is exact.

    Every parameter and buffer is filled from the checkpoint, or it is an
    error. Parts that the checkpoint holds in full need no weights file of
    their own. It stands before MMEngine's classes among the bases.
    """

    init_cfg: dict | list | None
    is_init: bool

    def init_weights(self) -> None:
        """Initialise, and load the weights where ``init_cfg`` names them.

        Raises:
            CheckpointError: If there is no checkpoint, or it does not fill
                the model exactly.
        """
        given = self.init_cfg
        cfg = pretrained_part(given)
        if cfg is None or self.is_init:
            super().init_weights()  # type: ignore[misc]
            return
        source = cfg['checkpoint']
        state = under_prefix(read_weights(source), cfg.get('prefix') or '')
        # First, so that the parts know that they need nothing; and again over
        # what their own initialisation did.
        fill_module(self, state, source)
        _mark_filled(self, state)
        parts = given if isinstance(given, list | tuple) else [given]
        self.init_cfg = [part for part in parts if not _loads(part['type'])]
        try:
            super().init_weights()  # type: ignore[misc]
        finally:
            self.init_cfg = given
        fill_module(self, state, source)
        inform(f'{type(self).__name__}: all tensors loaded from {source}')


def _mark_filled(model: nn.Module, names: Iterable[str]) -> None:
    """Mark the parts of a model that a file filled as initialised."""
    names = set(names)
    for prefix, part in model.named_modules():
        own = {f'{prefix}.{name}' for name, _ in part.named_parameters()}
        if prefix and own and own <= names and isinstance(part, BaseModule):
            part.is_init = True


def _fault(error: Exception) -> str:
    """Describe what reading a file has raised."""
    # PyTorch puts advice to switch the safe reading off around the reason.
    text = str(error)
    reason = text.partition('WeightsUnpickler error:')[2] or text
    refused = REFUSED.search(reason)
    if isinstance(error, UnpicklingError) and refused:
        return (
            f'holds a {refused[1]}, which is refused: building it could '
            f'execute code. Convert a published file first (`{CONVERTER}`); '
            'where you trust another, save its state dict alone'
        )
    reason = reason.strip().partition('\n')[0]
    return (
        f'cannot be read as a checkpoint ({type(error).__name__}: {reason}); '
        'it is damaged or something else: take another, or get it again'
    )


@CheckpointLoader.register_scheme(('', *WEB), force=True)
def load_from_local(
    filename: str, map_location: str | torch.device | None
) -> dict[str, Any]:
    """Read a file or an address for MMEngine by :func:`read_checkpoint`.

    ``load_from``, ``--resume``, ``init_model`` and ``Pretrained`` of any
    module then read safely with every version of PyTorch, take a work
    directory too, and name the file where it is damaged. MMEngine's log takes
    the backend's name from this function's.

    Args:
        filename: The file, a work directory, or an address of the web.
        map_location: Where its tensors go.
    """
    return read_checkpoint(filename, map_location=map_location)
