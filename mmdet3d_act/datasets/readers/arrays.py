"""Reading ``.npy`` and ``.npz`` files without trust in their headers."""

from __future__ import annotations

import math
import os
import zipfile
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from mmdet3d_act.datasets.readers.checks import stack_fields

_HEADERS = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}


def read_array(file: BinaryIO, size: int) -> np.ndarray:
    """Return the array of an opened ``.npy`` file.

    Args:
        file: The file, at its beginning.
        size: Its length in bytes; an array that the header says is longer
            is refused before memory is asked for.

    Returns:
        The array, of the header's shape and type. A structured array with
        fields x, y and z becomes (N, 3 + F).

    Raises:
        ValueError: If it is no array, is longer than the file, or holds
            pickled objects.
    """
    version = npy.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f'expected version 1 or 2 of the format: {version}')
    shape, is_fortran, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError(
            'it holds pickled Python objects, which are not opened '
            '(allow_pickle=False); save an array of numbers'
        )
    promised = math.prod(shape) * dtype.itemsize
    left = size - file.tell()
    if min(shape, default=0) < 0 or promised > left:
        raise ValueError(
            f'truncated: its header promises {dtype} of shape {shape}, '
            f'{promised} bytes, and {left} follow'
        )
    data = bytearray(file.read(promised))
    if len(data) < promised:
        raise ValueError(f'truncated after {len(data)} of {promised} bytes')
    array = np.frombuffer(data, dtype)
    array = array.reshape(shape[::-1]).T if is_fortran else array
    array = array if is_fortran else array.reshape(shape)
    return array if dtype.names is None else stack_fields(array.reshape(-1))


def read_npy(path: str) -> np.ndarray:
    """Return the array of a ``.npy`` file.

    Args:
        path: The file.

    Returns:
        The array.
    """
    with open(path, 'rb') as file:
        return read_array(file, os.path.getsize(path))


def read_npz(path: str, key: str | None) -> np.ndarray:
    """Return an array of an ``.npz`` file.

    Args:
        path: The file.
        key: Name of the array; None takes the only one, or ``points``.

    Returns:
        The array.

    Raises:
        ValueError: If there is no such array.
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
        with archive.open(members[key]) as file:
            return read_array(file, members[key].file_size)
