"""Targets on disk, computed once and read as they are needed.

A store is a folder: ``store.json`` says who made it and the shape of a target,
``keys.txt`` names the rows, ``targets.bin`` holds them one after another, and
``done.bin`` has a byte for each: 0 where the row is still to come, 1 where it
is complete, 2 where its image cannot be read.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmdet3d_act.checkpoint import CheckpointError
from mmdet3d_act.files import write_json

FORMAT = 1
HEADER, KEYS = 'store.json', 'keys.txt'
TARGETS, DONE = 'targets.bin', 'done.bin'
DTYPES = ('float16', 'float32')
PENDING, COMPLETE, UNREADABLE = range(3)
# Replaced where the config's name is known, see `format_problems`.
THIS_CONFIG = 'CONFIG_OF_THE_TRAINING'
TOOL = f'python tools/cache_teacher.py {THIS_CONFIG}'


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
        FileNotFoundError: If there is no store.
        StoreError: If its files do not fit each other.
    """

    def __init__(self, folder: str | Path, *, writable: bool = False) -> None:
        self.folder = Path(folder)
        header = _read_header(self.folder)
        self.identity: dict = header['identity']
        self.shape = tuple(header['shape'])
        self.dtype = np.dtype(header['dtype'])
        self.keys = _read_keys(self.folder)
        self._rows = {key: row for row, key in enumerate(self.keys)}
        mode = 'r+' if writable else 'r'
        self._targets = self._map(
            TARGETS, self.dtype, (len(self.keys), *self.shape), mode
        )
        self._done = self._map(
            DONE, np.dtype(np.uint8), (len(self.keys),), mode
        )
        # What the next flush says of rows.
        self._news: dict[int, int] = {}

    def _map(
        self, name: str, dtype: np.dtype, shape: tuple[int, ...], mode: str
    ) -> np.memmap:
        path = self.folder / name
        wanted = int(np.prod(shape)) * dtype.itemsize
        found = path.stat().st_size if path.is_file() else -1
        if found != wanted:
            has = 'is missing' if found < 0 else f'has {found} bytes'
            raise StoreError(
                f'{path} {has}, {len(self.keys)} targets of shape '
                f'{self.shape} {self.dtype} are {wanted}; delete '
                f'{self.folder} and compute it again by `{TOOL}`'
            )
        return np.memmap(path, dtype, mode, shape=shape)

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
        """Return a store for writing, made where it is not there.

        A store that is there keeps what it has; names that it lacks are
        added. Nobody else may have it open for writing meanwhile.

        Args:
            folder: Where it is or will be.
            identity: Who computes the targets, as JSON has it.
            shape: Of one target.
            keys: Names of all rows, unique, without line breaks.
            dtype: One of ``DTYPES``.

        Raises:
            StoreError: If the store was made by somebody else, or with
                another shape or type.
            ValueError: If names are not unique, or there are none.
        """
        _check_keys(keys)
        if dtype not in DTYPES:
            raise ValueError(f'dtype must be one of {DTYPES}, got {dtype!r}')
        folder = Path(folder)
        header = {
            'format': FORMAT,
            'identity': as_json(identity),
            'shape': list(shape),
            'dtype': dtype,
        }
        known: list[str] = []
        if (folder / HEADER).is_file():
            found = _read_header(folder)
            differ = differences(found, header)
            if differ:
                raise StoreError(
                    f'{folder} holds other targets: {differ}; choose another '
                    'folder, or delete it'
                )
            known = _read_keys(folder)
        folder.mkdir(parents=True, exist_ok=True)
        _extend(folder, known, keys, header)
        write_json(folder / HEADER, header)
        return cls(folder, writable=True)

    def __len__(self) -> int:
        """Return the number of rows, complete or not."""
        return len(self.keys)

    def __contains__(self, key: str) -> bool:
        """Return whether a name has a complete row."""
        row = self._rows.get(key)
        return row is not None and self._done[row] == COMPLETE

    def pending(self, keys: Sequence[str] | None = None) -> list[int]:
        """Return the rows that are still to be written, unreadable ones too.

        Args:
            keys: Names that are looked at; None for all.
        """
        rows = range(len(self)) if keys is None else self.rows(keys)
        return [row for row in rows if self._done[row] != COMPLETE]

    def unreadable(self, keys: Sequence[str]) -> list[str]:
        """Return the names whose images could not be read.

        Args:
            keys: Names that are looked at.
        """
        rows = zip(keys, self.rows(keys), strict=True)
        return [key for key, row in rows if self._done[row] == UNREADABLE]

    def rows(self, keys: Sequence[str]) -> list[int]:
        """Return the rows of names.

        Args:
            keys: The names.

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
        self._news.update(dict.fromkeys(rows, COMPLETE))

    def give_up(self, rows: Sequence[int]) -> None:
        """Note that the images of rows cannot be read, for :meth:`flush`.

        Args:
            rows: Numbers of the rows.
        """
        self._news.update(dict.fromkeys(rows, UNREADABLE))

    def flush(self) -> None:
        """Bring what was written to the disk, the targets first."""
        self._targets.flush()
        self._done[list(self._news)] = list(self._news.values())
        self._done.flush()
        self._news = {}

    def read(self, keys: Sequence[str]) -> Tensor:
        """Return the targets of names, (names, ...), float32.

        Args:
            keys: The names.

        Raises:
            StoreError: If one has no complete row.
        """
        rows = self.rows(keys)
        missing = [key for key in keys if key not in self]
        if missing:
            raise StoreError(
                f'{self.folder} is not complete, {len(self.pending())} of '
                f'{len(self)} targets are missing, among them {missing[:3]}; '
                f'run `{TOOL}` again, it goes on where it stopped'
            )
        return torch.from_numpy(self._targets[rows].astype(np.float32))


def as_json(value: dict) -> dict:
    """Return a dict as it comes back from a JSON file: tuples are lists.

    Args:
        value: What JSON can hold.
    """
    return json.loads(json.dumps(value))


def differences(found: dict, wanted: dict, prefix: str = '') -> str:
    """Return in words where two nested dicts differ; empty where they agree.

    Args:
        found: What is there.
        wanted: What should be; its keys alone are compared.
        prefix: Of the names, for what lies inside.
    """
    faults = []
    for key, value in wanted.items():
        has = found.get(key) if isinstance(found, dict) else None
        name = f'{prefix}{key}'
        if isinstance(value, dict) and isinstance(has, dict):
            faults.append(differences(has, value, f'{name}.'))
        elif has != value:
            faults.append(f'{name} is {has!r} instead of {value!r}')
    return ', '.join(fault for fault in faults if fault)


def target_folder() -> Path:
    """Return ``$ACT_DATA_ROOT/targets``, by default ``data/targets``."""
    return Path(os.environ.get('ACT_DATA_ROOT') or 'data') / 'targets'


def store_folder(root: str | Path, identity: dict) -> Path:
    """Return where the store of a teacher is, below a folder.

    Args:
        root: The folder.
        identity: Of the teacher with its weights, and of the images.
    """
    text = json.dumps(identity, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    model = str(identity.get('encoder', {}).get('model', ''))
    name = '-'.join(filter(None, [str(identity.get('type', '')), model]))
    name = ''.join(c if c.isalnum() or c in '-_.' else '-' for c in name)
    return Path(root) / f'{name}-{digest}'


def list_stores(path: str | Path) -> list[Path]:
    """Return the stores at a path: it itself, or those in it.

    Args:
        path: A store, or a folder of stores.
    """
    path = Path(path).expanduser()
    if (path / HEADER).is_file():
        return [path]
    return sorted(file.parent for file in path.glob(f'*/{HEADER}'))


def _read_header(folder: Path) -> dict:
    path = folder / HEADER
    if not path.is_file():
        raise FileNotFoundError(
            f'no store of targets at {folder}; make it by `{TOOL}`'
        )
    try:
        header = json.loads(path.read_text(encoding='utf-8'))
        if header['format'] != FORMAT or header['dtype'] not in DTYPES:
            raise ValueError(f'format {header["format"]}')
        if not isinstance(header['identity'], dict):
            raise TypeError('identity')
        header['shape'] = [int(size) for size in header['shape']]
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f'{path} is damaged or of another version ({error}); delete '
            f'{folder} and compute it again by `{TOOL}`'
        ) from error
    return header


def _read_keys(folder: Path) -> list[str]:
    path = folder / KEYS
    return path.read_text(encoding='utf-8').split('\n')[:-1]


def _check_keys(keys: Sequence[str]) -> None:
    if not keys:
        raise ValueError('a store needs names of targets, got none')
    if len(set(keys)) < len(keys):
        raise ValueError(
            f'names of targets must be unique, got {len(keys)} with '
            f'{len(set(keys))} different ones'
        )
    broken = [key for key in keys if not key or '\n' in key]
    if broken:
        raise ValueError(
            f'names must be one line of text each, got {broken[:3]}'
        )


def _extend(
    folder: Path, known: list[str], keys: Sequence[str], header: dict
) -> None:
    """Make room for new rows, and write the list of names last."""
    there = set(known)
    every = [*known, *(key for key in keys if key not in there)]
    size = int(np.prod(header['shape'])) * np.dtype(header['dtype']).itemsize
    for name, width in ((TARGETS, size), (DONE, 1)):
        # Without a header what lies there is nobody's.
        with (folder / name).open('ab' if known else 'wb') as file:
            file.truncate(width * len(every))
    part = folder / f'{KEYS}.part'
    part.write_text(''.join(f'{key}\n' for key in every), encoding='utf-8')
    part.replace(folder / KEYS)
