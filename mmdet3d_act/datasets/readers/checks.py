"""What every reader's array has to be, and how it becomes one."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from mmengine.logging import print_log

from mmdet3d_act.datasets.readers.errors import BadSampleError

# Share of a cloud's extent that rounding to float32 may move a point by.
_MAX_ROUNDING = 1e-4


def check_points(points: np.ndarray, path: str) -> np.ndarray:
    """Return points as float32, or refuse them by name.

    Coordinates so far from the origin that float32 would blur the cloud
    (map coordinates of a small site) are moved by whole units towards it;
    the first such file is logged.

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
    if points.dtype.itemsize > 4 or points.dtype.kind != 'f':
        points = _move_to_origin(points, path)
    with np.errstate(over='ignore'):
        points = np.ascontiguousarray(points, dtype=np.float32)
    finite = np.isfinite(points)
    if not finite.all():  # the reduction by rows takes 60 times as long
        bad = ~finite.all(axis=1)
        raise BadSampleError(
            path,
            f'{int(bad.sum())} of {len(points)} points have NaN or infinite '
            f'values, the first is point {int(bad.argmax())}',
        )
    return points


def check_labels(
    values: np.ndarray, path: str, allowed: Sequence[int] | None = None
) -> np.ndarray:
    """Return labels per point as whole numbers, or refuse them by name.

    Args:
        values: (N,), any real type.
        path: File that they come from, for the error.
        allowed: The labels that there are. None takes all that are >= 0.

    Returns:
        (N,), int64.

    Raises:
        BadSampleError: If a label is no whole number or not allowed.
    """
    with np.errstate(invalid='ignore'):
        labels = values.astype(np.int64)
    if allowed is None:
        good, wanted = labels >= 0, 'whole numbers >= 0'
    else:
        good, wanted = np.isin(labels, allowed), f'some of {list(allowed)}'
    good &= labels == values
    if not good.all():
        raise BadSampleError(
            path,
            f'expected labels that are {wanted}, {int((~good).sum())} of '
            f'{len(labels)} are not, the first is {values[good.argmin()]:g} '
            f'of point {int(good.argmin())}',
        )
    return labels


def _move_to_origin(points: np.ndarray, path: str) -> np.ndarray:
    low = points[:, :3].min(0).astype(np.float64)
    high = points[:, :3].max(0).astype(np.float64)
    largest = float(np.abs([low, high]).max())
    extent = float((high - low).max())
    if not 0 < extent <= largest < np.finfo(np.float32).max:
        return points
    if float(np.spacing(np.float32(largest))) <= _MAX_ROUNDING * extent:
        return points
    center = np.round((low + high) / 2)
    points = points.astype(np.float64)
    points[:, :3] -= center
    _log_move(path, tuple(center.tolist()))
    return points


@functools.cache
def _first_file() -> dict:
    return {}


def _log_move(path: str, center: tuple[float, ...]) -> None:
    if not _first_file():
        _first_file()['path'] = path
        print_log(
            f'{path}: its coordinates are too far from the origin for '
            f'float32 and were moved by minus {center}; files like it are '
            'moved likewise, each by its own centre',
            logger='current',
        )


def stack_fields(table: np.ndarray) -> np.ndarray:
    """Return the columns of a table, x, y and z first.

    Args:
        table: (N,), a structured array with fields ``x``, ``y``, ``z`` (or
            in upper case) and others; those that are no numbers, or several
            in one field, are left out.

    Returns:
        (N, 3 + F).

    Raises:
        ValueError: If ``x``, ``y`` or ``z`` is missing.
    """
    kinds = table.dtype
    names = [n for n in kinds.names if kinds[n].kind in 'fiu']
    found = {n.lower(): n for n in names if n.lower() in ('x', 'y', 'z')}
    missing = [axis for axis in 'xyz' if axis not in found]
    if missing:
        raise ValueError(f'the points have no {missing}, only {names}')
    axes = [found[axis] for axis in 'xyz']
    ordered = [*axes, *(name for name in names if name not in axes)]
    return np.stack([table[name] for name in ordered], axis=1)
