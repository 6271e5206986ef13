"""Targets that are computed once: on disk, or in memory before a training.

A store is a folder. ``index.json`` says who made it and names the rows,
``targets.npy`` holds them, (rows, ...), and ``done.npy`` a number for each: 0
where it is still to come, 1 where its image cannot be read, else its checksum.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet3d_act.checkpoint import CheckpointError
from mmdet3d_act.io import write_json
from mmdet3d_act.models.layers import PointPatches
from mmdet3d_act.models.target_generators.image_target import (
    PairedImageTarget,
)
from mmdet3d_act.models.teachers import FrozenTeacher
from mmdet3d_act.registry import MODELS, build_module
from mmdet3d_act.text import inform, warn

FORMAT = 3
INDEX, TARGETS, DONE = 'index.json', 'targets.npy', 'done.npy'
DTYPES = ('float16', 'float32')
UNREADABLE = 1
TOOL = 'python tools/cache_teacher.py CONFIG'


class StoreError(CheckpointError):
    """A store that is damaged, incomplete or of another teacher."""


class TargetStore:
    """The targets of a data set's pairs, by their names.

    Rows are read from a memory map: only what a batch needs comes into
    memory, and processes on a machine share it.

    Example:
        >>> store = TargetStore.create(
        ...     'store', {'teacher': 'toy'}, shape=(2,), keys=['a', 'b'])
        >>> store.write([0, 1], torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        >>> store.flush()
        >>> TargetStore('store').read(['b'])
        tensor([[3., 4.]])

    Args:
        folder: The store.
        writable: Whether rows are to be written.

    Raises:
        StoreError: If there is no store, or its files do not fit each other.
    """

    def __init__(self, folder: str | Path, *, writable: bool = False) -> None:
        self.folder = Path(folder)
        self.identity, self.keys = _read_index(self.folder)
        mode: Literal['r', 'r+'] = 'r+' if writable else 'r'
        self._targets = _open_array(self.folder / TARGETS, mode)
        self._done = _open_array(self.folder / DONE, mode)
        if not len(self._targets) == len(self._done) == len(self.keys):
            raise StoreError(
                f'{self.folder} has {len(self._targets)} targets of '
                f'{len(self.keys)} names; run `{TOOL}` again, which mends it'
            )
        self._rows = {key: row for row, key in enumerate(self.keys)}
        # What the next flush says of rows.
        self._news: dict[int, int] = {}

    @classmethod
    def create(
        cls,
        folder: str | Path,
        identity: dict,
        *,
        shape: Sequence[int],
        keys: Sequence[str],
        dtype: str = 'float32',
    ) -> TargetStore:
        """Open a store for writing, and make it where it is not there.

        A store that is there keeps what it has; names that it lacks are
        added. Nobody else may have it open for writing meanwhile.

        Args:
            folder: Where it is or will be.
            identity: Who computes the targets, as JSON has it.
            shape: Of one target.
            keys: Names of all rows, unique.
            dtype: One of ``DTYPES``.

        Raises:
            StoreError: If the store was made by somebody else, or with
                another shape or type.
        """
        folder = Path(folder)
        header = {
            **as_json(identity),
            'shape': list(shape),
            'dtype': str(np.dtype(dtype)),
        }
        known: list[str] = []
        if (folder / INDEX).is_file():
            found, known = _read_index(folder)
            differ = differences(found, header)
            if differ:
                raise StoreError(
                    f'{folder} holds other targets: {differ}; choose another '
                    'folder, or delete it'
                )
        folder.mkdir(parents=True, exist_ok=True)
        there = set(known)
        every = [*known, *(key for key in keys if key not in there)]
        size = len(every)
        _grow(folder / TARGETS, (size, *shape), dtype, len(known))
        _grow(folder / DONE, (size,), 'uint32', len(known))
        index = {'format': FORMAT, 'identity': header, 'keys': every}
        write_json(folder / INDEX, index)
        return cls(folder, writable=True)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one target."""
        return self._targets.shape[1:]

    @property
    def dtype(self) -> np.dtype:
        """Type of the numbers on disk."""
        return self._targets.dtype

    def __len__(self) -> int:
        """Count the rows, complete or not."""
        return len(self.keys)

    def pending(self, keys: Sequence[str] | None = None) -> list[int]:
        """List the rows that are still to be written, unreadable ones too."""
        rows = range(len(self)) if keys is None else self.rows(keys)
        return [row for row in rows if self._done[row] <= UNREADABLE]

    def unreadable(self, keys: Sequence[str]) -> list[str]:
        """List the names whose images could not be read."""
        rows = zip(keys, self.rows(keys), strict=True)
        return [key for key, row in rows if self._done[row] == UNREADABLE]

    def rows(self, keys: Sequence[str]) -> list[int]:
        """Look up the rows of names.

        Raises:
            StoreError: If there is no row of one.
        """
        unknown = [key for key in keys if key not in self._rows]
        if unknown:
            raise StoreError(
                f'{self.folder} has no target of {unknown[:3]} '
                f'({len(self)} others); run `{TOOL}` with the config of this '
                'run, which adds what is missing: the pairs of training and '
                'validation, others by --parts'
            )
        return [self._rows[key] for key in keys]

    def write(self, rows: Sequence[int], values: Tensor) -> None:
        """Write rows; they count as complete after :meth:`flush`.

        Args:
            rows: Numbers of the rows.
            values: (rows, ...).

        Raises:
            ValueError: If values have another shape, or are not finite in
                the type of the store.
        """
        if values.shape != (len(rows), *self.shape):
            raise ValueError(
                f'expected {len(rows)} targets of shape {self.shape}, got '
                f'{tuple(values.shape)}'
            )
        with np.errstate(over='ignore'):
            array = values.detach().cpu().float().numpy().astype(self.dtype)
        if not np.isfinite(array).all():
            raise ValueError(
                f'targets must be finite in {self.dtype}, got values up to '
                f'{values.abs().max().item():.3g}; store them as float32, and '
                'look at the images if they are not finite there'
            )
        self._targets[list(rows)] = array
        self._news.update(zip(rows, map(_checksum, array), strict=True))

    def give_up(self, rows: Sequence[int]) -> None:
        """Note that the images of rows cannot be read, for :meth:`flush`."""
        self._news.update(dict.fromkeys(rows, UNREADABLE))

    def flush(self) -> None:
        """Bring what was written to the disk, the targets first."""
        self._targets.flush()
        self._done[list(self._news)] = list(self._news.values())
        self._done.flush()
        self._news = {}

    def read(self, keys: Sequence[str]) -> Tensor:
        """Read the targets of names, (names, ...), float32.

        Raises:
            StoreError: If one has no complete row, or a damaged one.
        """
        missing = self.pending(keys)
        if missing:
            raise StoreError(
                f'{self.folder} is not complete, {len(self.pending())} of '
                f'{len(self)} targets are missing, among them '
                f'{self.keys[missing[0]]!r}; run `{TOOL}` again, it goes on '
                'where it stopped'
            )
        rows = self.rows(keys)
        values = self._targets[rows]
        for key, row, value in zip(keys, rows, values, strict=True):
            if _checksum(value) != self._done[row]:
                raise StoreError(
                    f'{self.folder}: the target of {key!r} is damaged; delete '
                    f'the folder and compute it again by `{TOOL}`'
                )
        return torch.from_numpy(values.astype(np.float32))


@MODELS.register_module()
class StoredTarget(BaseModule):
    """Reads what ``tools/cache_teacher.py`` computed of the paired images.

    The config of the teacher stays in the config of the training: it sizes
    the head, and says whose targets are wanted. A store of another teacher,
    of other weights or of images that were prepared otherwise is refused.
    The weights are compared where they are on this machine; where they are
    not, which a store makes possible, a warning says so.

    Args:
        path: The store, or a folder of stores; None for
            ``$ACT_DATA_ROOT/targets``, where the tool puts them.
        teacher: Config of the target generator that computed the targets, for
            example a ``CaptionPrefixTarget``, or the generator.
        prepare: How the images were resized and cropped, as the data set's
            ``image_preparation`` has it, for example ``dict(size=224,
            crop='center')``; None accepts any.

    Raises:
        TypeError: If ``teacher`` computes no target of an image.
    """

    # What a check before the training need not ask for.
    unneeded_parts = ('teacher',)

    def __init__(
        self,
        path: str | Path | None = None,
        teacher: dict | nn.Module | None = None,
        *,
        prepare: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.path = Path(path or target_folder())
        # No member: with a store its weights need not be there.
        self._given = (teacher,)
        with torch.device('meta'):
            built = build_module(teacher)
        if not isinstance(built, PairedImageTarget):
            raise TypeError(
                'StoredTarget needs a target generator for images as '
                f'teacher=, such as ImageEmbeddingTarget, got {type(built)}'
            )
        self.target_shape = built.target_shape
        self.grid = getattr(built, 'grid', None)
        wanted = {**built.settings(), 'shape': built.target_shape}
        if prepare is not None:
            wanted['images'] = dict(prepare)
        self.wanted = as_json(wanted)
        self._open: TargetStore | None = None

    @classmethod
    def check_requirements(cls, cfg: dict) -> list[str]:
        """List what keeps a config from running, with the remedy.

        The weights of the teacher are not read, so stores of other weights
        are found later.
        """
        stored = cls(**{key: cfg[key] for key in cfg if key != 'type'})
        try:
            stored.find_stores(stored.wanted)
        except StoreError as error:
            return [str(error)]
        return []

    def init_weights(self) -> None:
        """Open the store.

        Raises:
            StoreError: If there is none of this teacher, or several.
        """
        found = self.find_stores({**self.wanted, **self._identity()})
        if len(found) > 1:
            raise StoreError(
                f'{self.path} has several stores of this teacher, with other '
                'weights, data or precision, or otherwise prepared images: '
                f'{[store.folder.name for store in found]}; give the path of '
                'one'
            )
        self._open = found[0]
        inform(f'targets of {len(self._open)} images from {self._open.folder}')

    @property
    def target_store(self) -> TargetStore:
        """The store, opened when it is first needed."""
        if self._open is None:
            self.init_weights()
        return self._open

    def find_stores(self, wanted: dict) -> list[TargetStore]:
        """Find the stores whose identity has certain entries.

        Raises:
            StoreError: If there is none.
        """
        stores = [TargetStore(folder) for folder in list_stores(self.path)]
        if not stores:
            raise StoreError(
                f'no store of targets at {self.path}; compute it once by '
                f'`{TOOL}`, or use the teacher itself as target_generator'
            )
        faults = {
            store.folder.name: differences(store.identity, wanted)
            for store in stores
        }
        fitting = [store for store in stores if not faults[store.folder.name]]
        if not fitting:
            shown = '; '.join(f'{name}: {faults[name]}' for name in faults)
            raise StoreError(
                f'no store at {self.path} is of this teacher and its weights '
                f'({shown}); compute one by `{TOOL}`, or correct the config'
            )
        return fitting

    def _identity(self) -> dict:
        """Identify the teacher's weights; empty where they are not here."""
        (given,) = self._given
        teacher = build_module(given)
        problems = [
            part.source.problem(part.weights)
            for part in teacher.modules()
            if isinstance(part, FrozenTeacher) and part.frozen.pending
        ]
        missing = [problem for problem in problems if problem is not None]
        if missing:
            warn(
                'the weights of the teacher are not on this machine, so that '
                'only its settings were compared with those of the store '
                f'({missing[0]})'
            )
            return {}
        teacher.init_weights()
        return as_json(teacher.identity())

    @torch.no_grad()
    def forward(
        self,
        inputs: dict,
        patches: PointPatches | None = None,
        data_samples: list | None = None,
    ) -> Tensor:
        """Read the targets of the pairs, (B, ...), float32.

        Args:
            inputs: ``points`` say where the targets go.
            patches: Not used.
            data_samples: Their ``pair_key`` names the targets.

        Raises:
            KeyError: If a sample has no ``pair_key``.
            StoreError: If a target is not in the store.
        """
        keys = [sample.metainfo.get('pair_key') for sample in data_samples]
        if None in keys:
            raise KeyError(
                'StoredTarget needs data samples with a pair_key; use a data '
                "set of pairs, and 'pair_key' in meta_keys of PackPointInputs"
            )
        return self.target_store.read(keys).to(inputs['points'].device)


@MODELS.register_module()
class CachedTarget(BaseModule):
    """Keeps the targets of another target generator, one for each sample.

    Where the patches of a sample are the same in every epoch (a fixed sample
    of its points, ``GroupPoints`` before the augmentation), so is the target
    of the cloud without augmentation, and computing it once saves the
    teacher's forward pass in every step. ``PrepareTargetsHook`` fills it.

    Args:
        generator: The target generator (config or module) whose targets are
            kept.
    """

    def __init__(self, generator: dict | nn.Module) -> None:
        super().__init__()
        self.generator = build_module(generator)
        self.target_shape = getattr(self.generator, 'target_shape', None)
        # Target and rows of the patches' centres, by the sample's number.
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def store(
        self, target: Tensor, patches: PointPatches, data_samples: list
    ) -> None:
        """Keep the targets of these samples, on the CPU.

        Args:
            target: (B, ...), one row a sample.
            patches: The patches that they belong to.
            data_samples: Their ``sample_idx`` names them.
        """
        for row, centers, sample in zip(
            target, patches.center_indices, data_samples, strict=True
        ):
            kept = row.detach().cpu(), centers.cpu()
            self._kept[int(sample.sample_idx)] = kept

    def forward(
        self,
        inputs: dict,
        patches: PointPatches,
        data_samples: list | None = None,
    ) -> Tensor:
        """Look up the kept targets of the samples, (B, ...).

        Args:
            inputs: Not used.
            patches: Must be the patches whose targets are kept.
            data_samples: Their ``sample_idx`` says which targets.

        Raises:
            RuntimeError: If a sample's target was never computed, or belongs
                to other patches than these.
        """
        indices = [int(sample.sample_idx) for sample in data_samples]
        missing = [index for index in indices if index not in self._kept]
        if missing:
            raise RuntimeError(
                f'no target was computed for the samples {missing[:5]} '
                f'({len(self._kept)} are kept); PrepareTargetsHook must '
                'run over the same data set as the training'
            )
        kept = [self._kept[index] for index in indices]
        targets, centers = (
            torch.stack(parts) for parts in zip(*kept, strict=True)
        )
        if not torch.equal(centers, patches.center_indices.cpu()):
            raise RuntimeError(
                'the patches of a sample are not those whose targets are '
                'kept; sample the points with per_epoch=False, put '
                'GroupPoints before the augmentation, and let '
                'PrepareTargetsHook read the same data set'
            )
        return targets.to(patches.centers.device)


def _checksum(row: np.ndarray) -> int:
    """Compute the checksum of a target, which is no 0 and no 1."""
    return max(zlib.crc32(np.ascontiguousarray(row)), UNREADABLE + 1)


def as_json(value: dict) -> dict:
    """Convert a dict to what comes back from a JSON file: tuples to lists."""
    return json.loads(json.dumps(value))


def differences(found: dict, wanted: dict, prefix: str = '') -> str:
    """Describe where two nested dicts differ; empty where they agree.

    Args:
        found: What is there.
        wanted: What should be; its keys alone are compared.
        prefix: Of the names, for what lies inside.
    """
    faults = []
    for key, value in wanted.items():
        has = found.get(key)
        name = f'{prefix}{key}'
        if isinstance(value, dict) and isinstance(has, dict):
            faults.append(differences(has, value, f'{name}.'))
        elif has != value:
            faults.append(f'{name} is {has!r} instead of {value!r}')
    return ', '.join(fault for fault in faults if fault)


def target_folder() -> Path:
    """Name ``$ACT_DATA_ROOT/targets``, by default ``data/targets``."""
    return Path(os.environ.get('ACT_DATA_ROOT') or 'data') / 'targets'


def store_folder(root: str | Path, identity: dict) -> Path:
    """Name the folder of a teacher's store.

    Args:
        root: The folder of all stores.
        identity: Of the teacher with its weights, and of the images.
    """
    text = json.dumps(identity, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    model = str(identity.get('encoder', {}).get('model', ''))
    name = '-'.join(filter(None, [str(identity.get('type', '')), model]))
    name = ''.join(c if c.isalnum() or c in '-_.' else '-' for c in name)
    return Path(root) / f'{name}-{digest}'


def list_stores(path: str | Path) -> list[Path]:
    """List the stores at a path: it itself, or those in it."""
    path = Path(path).expanduser()
    if (path / INDEX).is_file():
        return [path]
    return sorted(file.parent for file in path.glob(f'*/{INDEX}'))


def _read_index(folder: Path) -> tuple[dict, list[str]]:
    path = folder / INDEX
    if not path.is_file():
        raise StoreError(f'no store of targets at {folder}; run `{TOOL}`')
    try:
        index = json.loads(path.read_text(encoding='utf-8'))
        if index['format'] != FORMAT:
            raise ValueError(f'format {index["format"]}')
        return dict(index['identity']), list(index['keys'])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f'{path} is damaged or of another version ({error}); delete '
            f'{folder} and compute it again by `{TOOL}`'
        ) from error


def _open_array(path: Path, mode: Literal['r', 'r+']) -> np.memmap:
    try:
        with path.open('rb') as file:
            # In later versions NumPy allocates what the header asks for.
            if file.read(8) != b'\x93NUMPY\x01\x00':
                raise ValueError('no array of format 1.0')
        # Unlike np.load it knows no pickles.
        return np.lib.format.open_memmap(path, mode)
    # Also what NumPy's parser of headers stumbles over.
    except Exception as error:
        raise StoreError(
            f'{path} cannot be read ({error}); delete {path.parent} and '
            f'compute it again by `{TOOL}`'
        ) from error


def _grow(
    path: Path, shape: tuple[int, ...], dtype: str, num_known: int
) -> None:
    """Make an array, or replace it by a longer one with the same rows."""
    known = _open_array(path, 'r') if num_known else np.empty((0, *shape[1:]))
    if len(known) == shape[0]:
        return
    part = path.with_name(f'part-{path.name}')
    array = np.lib.format.open_memmap(part, 'w+', np.dtype(dtype), shape)
    if hasattr(os, 'posix_fallocate'):
        # A full disk is said now; later, a memory map could only crash.
        with part.open('r+b') as file:
            os.posix_fallocate(file.fileno(), 0, part.stat().st_size)
    array[:num_known] = known[:num_known]
    array.flush()
    part.replace(path)
