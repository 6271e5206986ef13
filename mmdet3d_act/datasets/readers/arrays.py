"""Reading ``.npy``, ``.npz`` and HDF5 files without trust in their headers."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.lib import format as npy

from mmdet3d_act.datasets.readers.errors import (
    check_expansion,
    reading,
)


class Columns(NamedTuple):
    """Points, and how their file names what follows the coordinates.

    Attributes:
        points: (N, 3 + F), x, y, z first.
        names: F names; none where the file does not tell them.
    """

    points: np.ndarray
    names: tuple[str, ...] = ()


def stack_fields(table: np.ndarray) -> Columns:
    """Stack the columns of a structured array.

    Fields that are no numbers, or several in one, are left out.
    """
    table, kinds = table.reshape(-1), table.dtype
    names = [n for n in kinds.names if kinds[n].kind in 'fiu']
    found = {n.lower(): n for n in names if n.lower() in ('x', 'y', 'z')}
    missing = [axis for axis in 'xyz' if axis not in found]
    if missing:
        raise ValueError(f'the points have no {missing}, only {names}')
    axes = [found[axis] for axis in 'xyz']
    others = [name for name in names if name not in axes]
    points = np.stack([table[name] for name in (*axes, *others)], axis=1)
    return Columns(points, tuple(others))


def read_npy(path: str) -> Columns:
    """Read the array of a ``.npy`` file."""
    return _plain(np.array(map_npy(path)))


def map_npy(path: str) -> np.memmap:
    """Map the array of a ``.npy`` file, which is never longer than it."""
    with open(path, 'rb') as file:
        head = file.read(12)
    if head[6:7] > b'\x01':
        # The length of the description, which NumPy allocates.
        length = int.from_bytes(head[8:12], 'little')
        check_expansion(length, os.path.getsize(path))
    return npy.open_memmap(path, mode='r')


def read_npz(path: str, key: str | None) -> Columns:
    """Read an array of an ``.npz`` file.

    Without a key it is the only one, or ``points``.
    """
    with zipfile.ZipFile(path) as archive:
        members = {
            info.filename.removesuffix('.npy'): info
            for info in archive.infolist()
        }
        names = list(members)
        if key is None:
            key = names[0] if len(names) == 1 else 'points'
        if key not in members:
            raise ValueError(
                f'expected an array named {key!r}, the file has {names}; '
                'name one of them with npz_key'
            )
        member = members[key]
        check_expansion(member.file_size, os.path.getsize(path))
        with archive.open(member) as file:
            return _plain(npy.read_array(file, allow_pickle=False))


def _plain(array: np.ndarray) -> Columns:
    """Give a structured array's fields as columns, (N, 3 + F)."""
    return Columns(array) if array.dtype.names is None else stack_fields(array)


def read_hdf5(path: str, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Read arrays of numbers of an HDF5 file, by their names.

    What is stored in other files (external or virtual arrays, links) is not
    followed.
    """
    import h5py

    arrays = {}
    with reading(path, 'an HDF5 file'), h5py.File(path, 'r') as file:
        for name in names:
            link = file.get(name, getlink=True)
            item = file[name] if isinstance(link, h5py.HardLink) else None
            if not isinstance(item, h5py.Dataset):
                raise ValueError(
                    f'expected the arrays {", ".join(names)} in it, got '
                    f'{sorted(file)}'
                )
            outside = item.external or item.is_virtual
            if outside or item.dtype.kind not in 'biuf':
                raise ValueError(
                    f'expected {name} to be numbers in this file, got '
                    f'{item.dtype}{" of another file" if outside else ""}'
                )
            check_expansion(item.nbytes, os.path.getsize(path))
            arrays[name] = item[()]
    return arrays


def read_vectors(path: str, kind: str) -> dict[str, np.ndarray]:
    """Read the vectors (D,), float32, of another model by their names.

    Args:
        path: An ``.npz`` file with arrays ``<kind>`` (S, D) and
            ``<kind>_key`` (S,), texts.
        kind: ``'image'``, ``'caption'`` or ``'query'``.
    """
    with reading(path, 'a ZIP archive (.npz)'):
        vectors, _ = read_npz(path, kind)
        keys, _ = read_npz(path, f'{kind}_key')
        are_texts = keys.dtype.kind == 'U' and keys.shape == vectors.shape[:1]
        if (
            vectors.ndim != 2
            or not are_texts
            or not np.isfinite(vectors).all()
        ):
            raise ValueError(
                f'expected finite {kind} (S, D) and texts {kind}_key (S,), '
                f'got {vectors.shape} and {keys.shape} {keys.dtype}'
            )
        rows = dict(
            zip(keys.tolist(), vectors.astype(np.float32), strict=True)
        )
        if len(rows) < len(keys):
            raise ValueError(f'expected names in {kind}_key that occur once')
    return rows
