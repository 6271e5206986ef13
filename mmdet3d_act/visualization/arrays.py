"""Clouds and colours from whatever the caller has, checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

# Categorical colours, told apart also by most colour-blind readers.
PALETTE = np.array(
    [
        [62, 124, 177], [238, 137, 58], [87, 168, 115], [205, 84, 91],
        [146, 113, 182], [147, 107, 92], [222, 137, 190], [120, 130, 140],
        [187, 182, 68], [69, 180, 195], [32, 76, 122], [176, 88, 21],
        [41, 110, 67], [140, 41, 55], [92, 63, 130], [243, 188, 97],
    ],
    dtype=np.float64,
) / 255  # fmt: skip

_GRADIENT = np.array(
    [
        [44, 62, 120], [45, 112, 155], [62, 160, 158], [140, 196, 132],
        [240, 203, 110],
    ],
    dtype=np.float64,
) / 255  # fmt: skip

_AXES = {'x': (1, 2, 0), 'y': (2, 0, 1), 'z': (0, 1, 2)}


def to_numpy(values: Any) -> np.ndarray:  # noqa: ANN401
    """Return an array on the CPU from an array, a tensor or a list.

    Args:
        values: Anything numpy can read; tensors may need a gradient or live
            on a device.
    """
    if hasattr(values, 'detach'):
        values = values.detach().cpu()
        if values.is_floating_point():
            values = values.float()
        values = values.numpy()
    return np.asarray(values)


def to_points(
    values: Any,  # noqa: ANN401
    name: str = 'points',
) -> np.ndarray:
    """Return a cloud as (N, 3) float64, features dropped.

    Args:
        values: (N, 3 + F) array or tensor, N at least 1.
        name: How to call it in an error.

    Raises:
        ValueError: If the shape is another or a coordinate is not finite.
    """
    array = to_numpy(values)
    if array.ndim != 2 or array.shape[0] < 1 or array.shape[1] < 3:
        raise ValueError(
            f'{name} must have shape (N, 3 + F) with N >= 1, got '
            f'{array.shape}; pass one cloud at a time'
        )
    points = array[:, :3].astype(np.float64)
    if not np.isfinite(points).all():
        bad = int((~np.isfinite(points)).any(axis=1).sum())
        raise ValueError(
            f'{name} must be finite, got {bad} of {len(points)} points with '
            'NaN or infinite coordinates; remove them first'
        )
    return points


def upright(points: np.ndarray, up_axis: str) -> np.ndarray:
    """Return (N, 3) points turned so that z is up (right-handed).

    Args:
        points: (N, 3).
        up_axis: 'x', 'y' or 'z'.

    Raises:
        ValueError: If there is no such axis.
    """
    if up_axis not in _AXES:
        raise ValueError(
            f"up_axis must be 'x', 'y' or 'z', got {up_axis!r}; correct it"
        )
    return points[:, _AXES[up_axis]]


def height_colors(
    points: np.ndarray, up_axis: str, like: np.ndarray | None = None
) -> np.ndarray:
    """Return (N, 3) colours in [0, 1] that run with the height.

    Args:
        points: (N, 3).
        up_axis: 'x', 'y' or 'z'.
        like: (M, 3), the cloud whose heights the colours span; the points
            themselves by default.
    """
    height = upright(points, up_axis)[:, 2]
    span = height if like is None else upright(like, up_axis)[:, 2]
    low, high = np.percentile(span, 2), np.percentile(span, 98)
    share = np.clip((height - low) / max(high - low, 1e-9), 0, 1)
    knots = np.linspace(0, 1, len(_GRADIENT))
    columns = [np.interp(share, knots, column) for column in _GRADIENT.T]
    return np.stack(columns, axis=1)


def to_colors(
    values: Any,  # noqa: ANN401
    points: np.ndarray,
    up_axis: str,
) -> np.ndarray:
    """Return one colour per point, (N, 3) in [0, 1].

    Args:
        values: None (by height); (3,) one colour; (N, 3) colours; each in
            [0, 1], or uint8; or (N,) integer labels, negative ones grey.
        points: (N, 3).
        up_axis: 'x', 'y' or 'z'.

    Raises:
        ValueError: If the shape or the range is another.
    """
    if values is None:
        return height_colors(points, up_axis)
    array = to_numpy(values)
    number = len(points)
    labels = array.dtype != np.uint8 and np.issubdtype(array.dtype, np.integer)
    if labels and array.shape == (number,):
        colors = PALETTE[array % len(PALETTE)]
        return np.where(array[:, None] < 0, 0.75, colors)
    if array.shape not in ((3,), (number, 3)):
        raise ValueError(
            f'colors must have shape (3,), ({number}, 3) or be ({number},) '
            f'integer labels, got {array.shape} of {array.dtype}; give one '
            'colour per point'
        )
    scale = 255.0 if array.dtype == np.uint8 else 1.0
    colors = np.broadcast_to(array / scale, (number, 3))
    if not ((colors >= 0) & (colors <= 1)).all():
        raise ValueError(
            f'colors must be in [0, 1] (or uint8), got '
            f'{array.min()} to {array.max()}; scale them'
        )
    return colors


def paired(
    values: Sequence[Any] | None, number: int, name: str
) -> Sequence[Any]:
    """Return one value per cloud; None where nothing was given.

    Args:
        values: The values or None.
        number: How many clouds there are.
        name: How to call them in an error.

    Raises:
        ValueError: If there are not as many values as clouds.
    """
    if values is None:
        return [None] * number
    if len(values) != number:
        raise ValueError(
            f'{name} must have one entry per cloud, got {len(values)} for '
            f'{number} clouds; give one each'
        )
    return values


def prepare_path(path: str | Path, suffix: str) -> Path:
    """Return the path, its folder made.

    Args:
        path: Where a file will be written.
        suffix: The ending that it must have, with the dot.

    Raises:
        ValueError: If the ending is another.
    """
    out = Path(path)
    if out.suffix.lower() != suffix:
        raise ValueError(
            f'path must end in {suffix}, got {str(path)!r}; rename it'
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    return out
