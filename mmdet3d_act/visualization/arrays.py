"""Points and colours as NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
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

_GREY = 0.78
_AXES = {'x': (1, 2, 0), 'y': (2, 0, 1), 'z': (0, 1, 2)}


def to_numpy(values: Any) -> np.ndarray:  # noqa: ANN401
    """Convert an array, a tensor of any device or a list to an array."""
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
    """Convert a cloud to (N, 3) float64, without its features.

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
    bad = int((~np.isfinite(points)).any(axis=1).sum())
    if bad:
        raise ValueError(
            f'{name} must be finite, got {bad} of {len(points)} points with '
            'NaN or infinite coordinates; remove them first'
        )
    return points


def upright(points: np.ndarray, up_axis: str) -> np.ndarray:
    """Turn points (right-handed) so that z is up.

    Args:
        points: (N, 3).
        up_axis: 'x', 'y' or 'z'.
    """
    return points[:, _AXES[up_axis]]


def turned(axis: str, wanted: str) -> list[int]:
    """Tell the columns that turn one up axis into another, right-handed.

    Args:
        axis: Of the points.
        wanted: Of the result.
    """
    order = np.array(_AXES[axis])[np.argsort(_AXES[wanted])]
    return order.tolist()


def height_colors(
    points: np.ndarray, up_axis: str, like: np.ndarray | None = None
) -> np.ndarray:
    """Colour points by their height: (N, 3) in [0, 1].

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
    return scale_colors(share)


def scale_colors(shares: np.ndarray, name: str = 'viridis') -> np.ndarray:
    """Colour values from 0 to 1, so that all readers see which is more.

    Args:
        shares: (N,).
        name: Of a colour map of matplotlib.

    Returns:
        (N, 3) in [0, 1].
    """
    from matplotlib import colormaps

    return colormaps[name](np.asarray(shares, dtype=float))[..., :3]


def label_colors(labels: np.ndarray) -> np.ndarray:
    """Choose a colour for each label: (N, 3) in [0, 1].

    Args:
        labels: Integers (N,); negative ones are grey.
    """
    colors = PALETTE[labels % len(PALETTE)]
    return np.where(labels[:, None] < 0, _GREY, colors)


def class_colors(
    number: int, palette: Sequence[Sequence[float]] | None = None
) -> np.ndarray:
    """Choose a colour for each class: (number, 3) in [0, 1].

    Args:
        number: Classes.
        palette: RGB from 0 to 255, as data sets of MMDetection3D have it;
            None, or one that is too short, takes ours, again from its start
            where there are more classes.
    """
    if palette is not None and len(palette) >= number:
        return np.asarray(palette, dtype=float)[:number] / 255
    return PALETTE[np.arange(number) % len(PALETTE)]
