"""Vectors of images and texts that another model computed."""

from __future__ import annotations

import zipfile
import zlib

import numpy as np

from mmdet3d_act.datasets.readers.errors import BadSampleError, describe_fault

VECTOR_KINDS = ('image', 'caption', 'query')


def read_vectors(path: str, kind: str) -> dict[str, np.ndarray]:
    """Return the vectors of a kind by their names.

    Args:
        path: An ``.npz`` file with arrays ``<kind>`` (S, D) and
            ``<kind>_key`` (S,), texts.
        kind: ``'image'``, ``'caption'`` or ``'query'``.

    Returns:
        Name to (D,), float32.

    Raises:
        BadSampleError: If the file is missing or damaged, lacks one of the
            two, or they do not fit each other.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            absent = {kind, f'{kind}_key'} - set(arrays.files)
            if absent:
                raise BadSampleError(
                    path,
                    f'expected arrays {kind} and {kind}_key, got '
                    f'{sorted(arrays.files)}',
                )
            vectors, keys = arrays[kind], arrays[f'{kind}_key']
    except FileNotFoundError as error:
        raise BadSampleError(path, 'the file does not exist') from error
    except BadSampleError:
        raise
    except (
        EOFError,
        OSError,
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        fault = describe_fault(path, 'an .npz (ZIP) archive', error)
        raise BadSampleError(path, fault) from error
    _check(vectors, keys, kind, path)
    rows = vectors.astype(np.float32)
    return dict(zip(keys.tolist(), rows, strict=True))


def _check(
    vectors: np.ndarray, keys: np.ndarray, kind: str, path: str
) -> None:
    names = keys.tolist()
    faults = {
        f'{kind} of shape (S, D) of real numbers, got {vectors.shape} of '
        f'{vectors.dtype}': vectors.ndim != 2 or vectors.dtype.kind != 'f',
        f'{kind}_key of shape ({len(vectors)},) of texts, got {keys.shape} '
        f'of {keys.dtype}': keys.shape != vectors.shape[:1]
        or keys.dtype.kind != 'U',
        f'names in {kind}_key that occur once': len(set(names)) < len(names),
    }
    for expected, found in faults.items():
        if found:
            raise BadSampleError(path, f'expected {expected}')
    if not np.isfinite(vectors).all():
        raise BadSampleError(
            path, f'{kind} has values that are NaN or infinite'
        )
