"""Pickles of arrays, read without trust.

A pickle can run any code, so only the few names that rebuild NumPy arrays
are let through, each as a function of ours that takes plain types alone.
"""

from __future__ import annotations

import mmap
import os
import pickle
import pickletools
import re
from typing import Any

import numpy as np

from mmdet3d_act.datasets.readers.errors import reading

_PLAIN = re.compile(r'[<>|=]?([biuf]\d\d?|[SU]\d+)$')
_PUTS = ('PUT', 'BINPUT', 'LONG_BINPUT')


class _PlainType:
    """A NumPy type without fields and objects, in the making."""

    def __init__(self, name: str, *_: object) -> None:
        if not isinstance(name, str) or not _PLAIN.match(name):
            raise pickle.UnpicklingError(f'refused the NumPy type {name!r}')
        self.dtype = np.dtype(name)

    def __setstate__(self, state: tuple) -> None:
        """Take the byte order; what could make it another type is refused."""
        _, order, *parts = state
        if any(part is not None for part in parts[:3]):
            raise pickle.UnpicklingError('refused a NumPy type with fields')
        self.dtype = self.dtype.newbyteorder(order)


class PlainArray(np.ndarray):
    """An array of plain numbers or texts, as a pickle rebuilds it."""

    def __setstate__(self, state: tuple) -> None:
        """Fill the array from a pickle."""
        version, shape, kind, is_fortran, data = state
        if isinstance(kind, _PlainType):
            kind = kind.dtype
        super().__setstate__((version, shape, kind, is_fortran, data))


def _reconstruct(*_: object) -> PlainArray:
    return np.ndarray.__new__(PlainArray, (0,), 'i1')


def _scalar(kind: _PlainType, data: bytes | str) -> np.generic:
    return np.frombuffer(_encode(data), kind.dtype, 1)[0]


def _frombuffer(
    data: bytes, kind: _PlainType, shape: tuple, order: str
) -> np.ndarray:
    return np.frombuffer(data, kind.dtype).reshape(shape, order=order)


def _encode(text: bytes | str = b'', *_: object) -> bytes:
    return text.encode('latin1') if isinstance(text, str) else text


_ALLOWED = {
    ('_codecs', 'encode'): _encode,
    ('__builtin__', 'bytes'): _encode,
    ('numpy', 'dtype'): _PlainType,
    # Only an argument of _reconstruct.
    ('numpy', 'ndarray'): 'ndarray',
}
# NumPy 2 renamed numpy.core; both spellings are read.
for _core in ('numpy.core', 'numpy._core'):
    _ALLOWED[f'{_core}.multiarray', '_reconstruct'] = _reconstruct
    _ALLOWED[f'{_core}.multiarray', 'scalar'] = _scalar
    _ALLOWED[f'{_core}.numeric', '_frombuffer'] = _frombuffer


class ArrayUnpickler(pickle.Unpickler):
    """A pickle reader that builds containers, numbers and arrays only.

    Lists, tuples, dicts, strings and numbers need no import and always
    work. Every imported name other than those by which NumPy rebuilds
    arrays, scalars and types is refused, and so are types with fields.

    Example:
        >>> import io, pickle
        >>> data = pickle.dumps([np.zeros(3)])
        >>> ArrayUnpickler(io.BytesIO(data)).load()
        [PlainArray([0., 0., 0.])]
    """

    def find_class(self, module: str, name: str) -> object:
        """Give what stands for an allowed name; refuse others."""
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(
                f'refused to load {module}.{name}: only NumPy arrays, '
                'numbers, strings and plain containers are allowed'
            )
        return _ALLOWED[module, name]


def read_arrays_pickle(path: str | os.PathLike) -> object:
    """Read a pickle of containers, numbers and NumPy arrays.

    Raises:
        BadSampleError: If the file is missing or not a pickle, holds types
            that are not allowed, or asks for more memory than it fills.
    """
    path = os.fspath(path)
    with (
        reading(path, 'a Python pickle'),
        open(path, 'rb') as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
        content: Any = mapped
        # Also reads each length against what is there.
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name in _PUTS and argument > len(content):
                raise ValueError(f'it asks for {argument} entries of memory')
        content.seek(0)
        # Pickles of Python 2 keep array bytes as latin-1 strings.
        return ArrayUnpickler(content, encoding='latin1').load()
