"""Readers of point files, and the error that names a bad one."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable

import numpy as np


class BadSampleError(ValueError):
    """A sample that cannot be used; the text names its file and the fault.

    Args:
        path: File that the sample comes from.
        fault: What is wrong with it.
    """

    def __init__(self, path: str | os.PathLike, fault: str) -> None:
        super().__init__(str(path), fault)
        self.path = str(path)
        self.fault = fault

    def __str__(self) -> str:
        """Return the file and the fault."""
        return f'{self.path}: {self.fault}'


def _read_npy(path: str, key: str | None) -> np.ndarray:
    return np.load(path, allow_pickle=False)


def _read_npz(path: str, key: str | None) -> np.ndarray:
    with np.load(path, allow_pickle=False) as archive:
        names = list(archive.files)
        if key is None:
            key = names[0] if len(names) == 1 else 'points'
        if key not in names:
            raise ValueError(
                f'expected an array named {key!r}, the file has {names}; '
                'name one of them with npz_key'
            )
        return archive[key]


def _read_txt(path: str, key: str | None) -> np.ndarray:
    with open(path, encoding='utf-8') as file:
        first = file.readline()
        if not first.strip():
            raise ValueError('the first line is empty')
        delimiter = ',' if ',' in first else None
        file.seek(0)
        return np.loadtxt(file, dtype=np.float32, delimiter=delimiter, ndmin=2)


def _read_ply(path: str, key: str | None) -> np.ndarray:
    try:
        from plyfile import PlyData, PlyParseError
    except ImportError as error:
        raise ImportError(
            f'reading {path} needs the package plyfile; '
            'install it with: pip install plyfile'
        ) from error
    try:
        vertices = PlyData.read(path)['vertex'].data
    except (PlyParseError, KeyError) as error:
        raise ValueError(f'not a PLY file with vertices ({error})') from error
    names = [
        name
        for name in vertices.dtype.names
        if vertices.dtype[name].kind in 'fiu'
    ]
    missing = [axis for axis in 'xyz' if axis not in names]
    if missing:
        raise ValueError(f'the vertices have no {missing}, only {names}')
    ordered = ['x', 'y', 'z', *(n for n in names if n not in 'xyz')]
    return np.stack([vertices[name] for name in ordered], axis=1)


_READERS: dict[str, Callable[[str, str | None], np.ndarray]] = {
    '.npy': _read_npy,
    '.npz': _read_npz,
    '.txt': _read_txt,
    '.ply': _read_ply,
}
POINT_FILE_SUFFIXES = tuple(_READERS)


def check_points(points: np.ndarray, path: str) -> np.ndarray:
    """Return points as float32, or refuse them by name.

    Args:
        points: (N, 3 + F), any real type, coordinates first.
        path: File that they come from, for the error.

    Returns:
        (N, 3 + F), float32, contiguous.

    Raises:
        BadSampleError: If the array is not (N, 3 + F), is empty, is not
            numeric, or has values that are NaN or infinite in float32.
    """
    if points.ndim != 2 or (points.size and points.shape[1] < 3):
        raise BadSampleError(
            path, f'expected an array (N, 3 + F), got shape {points.shape}'
        )
    if points.size == 0:
        raise BadSampleError(path, 'empty: it has no points')
    if points.dtype.kind not in 'fiu':
        raise BadSampleError(
            path, f'expected real numbers, got type {points.dtype}'
        )
    with np.errstate(over='ignore'):
        points = np.ascontiguousarray(points, dtype=np.float32)
    bad = ~np.isfinite(points).all(axis=1)
    if bad.any():
        raise BadSampleError(
            path,
            f'{int(bad.sum())} of {len(points)} points have NaN or infinite '
            f'values, the first is point {int(bad.argmax())}',
        )
    return points


def read_points(path: str, npz_key: str | None = None) -> np.ndarray:
    """Return the points of a file, read by what its header says.

    Args:
        path: A ``.npy``, ``.npz``, ``.txt`` (rows of numbers, separated by
            commas or blanks) or ``.ply`` (ASCII or binary; ``x y z`` first,
            then the other numeric properties in their order) file.
        npz_key: Name of the array in an ``.npz`` file. None takes the only
            array, or the one named ``points``.

    Returns:
        (N, 3 + F), float32, finite, N >= 1.

    Raises:
        BadSampleError: If the file is missing, unreadable, empty, or holds
            something else.
        ValueError: If the file's suffix is not one of these.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in _READERS:
        raise ValueError(
            f'expected a file ending in one of {POINT_FILE_SUFFIXES}, '
            f'got {path}; convert it to .npy'
        )
    if not os.path.isfile(path):
        raise BadSampleError(path, 'the file does not exist')
    if os.path.getsize(path) == 0:
        raise BadSampleError(path, 'empty: the file has 0 bytes')
    try:
        points = _READERS[suffix](path, npz_key)
    except (
        OSError,
        EOFError,
        ValueError,
        UnicodeError,
        zipfile.BadZipFile,
    ) as error:
        raise BadSampleError(path, f'unreadable: {error}') from error
    return check_points(points, path)
