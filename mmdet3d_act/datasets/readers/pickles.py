"""Pickles of arrays, read without trust.

A pickle can run any code, so only the few names that rebuild NumPy arrays
are let through.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable

import numpy as np

_ALLOWED = {
    ('_codecs', 'encode'),
    ('builtins', 'bytearray'),
    ('numpy', 'dtype'),
    ('numpy', 'ndarray'),
    *(
        (f'numpy.{core}.{module}', name)
        for core in ('core', '_core')
        for module, name in (
            ('multiarray', '_reconstruct'),
            ('multiarray', 'scalar'),
            ('numeric', '_frombuffer'),
        )
    ),
}


class ArrayUnpickler(pickle.Unpickler):
    """A pickle reader that builds containers, numbers and NumPy arrays only.

    Lists, tuples, dicts, strings and numbers need no import and always
    work. Every imported name other than those by which NumPy rebuilds
    arrays, scalars and types is refused.

    Example:
        >>> import io, pickle
        >>> data = pickle.dumps([np.zeros(3)])
        >>> ArrayUnpickler(io.BytesIO(data)).load()
        [array([0., 0., 0.])]
    """

    def find_class(self, module: str, name: str) -> Callable:
        """Return an allowed class or function.

        Args:
            module: Module that the pickle asks for.
            name: Name in that module.

        Returns:
            The class or function.

        Raises:
            pickle.UnpicklingError: If the name is not allowed.
        """
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(
                f'refused to load {module}.{name}: only NumPy arrays, '
                'numbers, strings and plain containers are allowed in a '
                'packed data set'
            )
        # NumPy 2 renamed numpy.core; either version reads both spellings.
        private = 'numpy._core' if np.__version__[0] != '1' else 'numpy.core'
        for core in ('numpy._core', 'numpy.core'):
            if module.startswith(core + '.'):
                module = private + module[len(core) :]
        return super().find_class(module, name)


def read_arrays_pickle(path: str | os.PathLike) -> object:
    """Return what a pickle of containers, numbers and NumPy arrays holds.

    Args:
        path: The file.

    Returns:
        Its content.

    Raises:
        ValueError: If the file is not a pickle, or holds types that are not
            allowed.
    """
    try:
        with open(path, 'rb') as file:
            # Pickles of Python 2 keep array bytes as latin-1 strings.
            return ArrayUnpickler(file, encoding='latin1').load()
    except (
        pickle.UnpicklingError,
        EOFError,
        AttributeError,
        ImportError,
        IndexError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(f'{path}: cannot be read: {error}') from error
