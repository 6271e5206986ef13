"""What stands behind the coordinates of a cloud: labels and features.

Programs name the same columns differently; here they have one name.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmdet3d_act.datasets.readers.errors import BadSampleError

# Features by name, and their columns.
FEATURES = dict(
    color=('red', 'green', 'blue'),
    intensity=('intensity',),
    normals=('nx', 'ny', 'nz'),
)
AUTO = 'auto'
# What columns of labels are called, the likeliest first.
_LABELS = (
    'label',
    'labels',
    'class',
    'classification',
    'semantic',
    'segment',
    'category',
)
# As Open3D, CloudCompare, PDAL and E57 name them.
_PREFIXES = ('scalar_', 'diffuse_', 'color')
_SAME = dict(
    r='red',
    g='green',
    b='blue',
    reflectance='intensity',
    **{
        f'{head}{axis}': f'n{axis}'
        for head in ('normal_', 'normal')
        for axis in 'xyz'
    },
)
_LARGEST = (1, 255, 65535)


def plain_name(name: str) -> str:
    """Give the one name of a column that programs name differently."""
    name = name.lower()
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return _SAME.get(name, name)


def find_label_column(
    names: Sequence[str], width: int, wanted: int | str
) -> int:
    """Find the column that holds labels, counted from 0.

    Args:
        names: Of the columns behind the coordinates; none where unknown.
        width: Number of all columns.
        wanted: A number, also as a text, a name, or ``'auto'``: what is
            called like labels, or the last column where there are no names.
            Of six columns without names the last may be blue: it is refused.

    Raises:
        ValueError: If there is none.
    """
    if str(wanted).isdecimal():
        column = int(wanted)
        if not 3 <= column < width:
            raise ValueError(
                f'expected labels in column {column}, counted from 0, behind '
                f'x, y and z; it has {width} columns'
            )
        return column
    if wanted == AUTO and not names and width > 3:
        if width == 6:
            raise ValueError(
                'its 6 columns have no names and may be x, y, z and colours; '
                'name the one of the labels by label_column (ACT_LABEL=5 in '
                'the configs of folders)'
            )
        return width - 1
    plain = [plain_name(name) for name in names[: width - 3]]
    looked_for = _LABELS if wanted == AUTO else [plain_name(str(wanted))]
    for name in looked_for:
        if name in plain:
            return 3 + plain.index(name)
    raise ValueError(
        f'expected a column of labels, {" or ".join(looked_for)}, it has '
        f'{", ".join(("x", "y", "z", *names))}; name it by label_column '
        '(ACT_LABEL in the configs of folders)'
    )


def take_labels(
    rows: np.ndarray, names: Sequence[str], wanted: int | str, path: str
) -> np.ndarray:
    """Take the column of labels, (N,), as it is.

    Args:
        rows: (N, 3 + C).
        names: Of the C columns; none where unknown.
        wanted: See :func:`find_label_column`.
        path: File that they come from, for the error.

    Raises:
        BadSampleError: If there is no such column.
    """
    try:
        return rows[:, find_label_column(names, rows.shape[1], wanted)]
    except ValueError as error:
        raise BadSampleError(path, str(error)) from error


def turn_rows(
    rows: np.ndarray,
    names: Sequence[str],
    order: Sequence[int],
    *,
    normals_only: bool = False,
) -> None:
    """Turn coordinates, and normals where there are, in place.

    Args:
        rows: (N, 3 + C).
        names: Of the C columns; none where unknown.
        order: Of the axes: column i becomes what column order[i] was.
        normals_only: Whether coordinates stay.
    """
    if not normals_only:
        rows[:, :3] = rows[:, order]
    plain = [plain_name(name) for name in names]
    if set(FEATURES['normals']) <= set(plain):
        places = [3 + plain.index(name) for name in FEATURES['normals']]
        rows[:, places] = rows[:, [places[axis] for axis in order]]


def width_of(kinds: Sequence[str]) -> int:
    """Count the columns of some features."""
    return sum(len(FEATURES[kind]) for kind in kinds)


def gather_features(
    points: np.ndarray, names: Sequence[str], kinds: Sequence[str]
) -> np.ndarray:
    """Take features of points, (N, F), float32, from -1 to 1.

    Colours are divided by 1, 255 or 65535, whichever their largest value
    needs, intensity by its 99th percentile. A kind that the file does not
    have is 0, which is the middle of its range.

    Args:
        points: (N, 3 + C).
        names: Of the C columns; none where unknown.
        kinds: Some of ``FEATURES``.
    """
    plain = [plain_name(name) for name in names[: points.shape[1] - 3]]
    parts = [np.zeros((len(points), 0), np.float32)]
    for kind in kinds:
        wanted = FEATURES[kind]
        part = np.zeros((len(points), len(wanted)), np.float32)
        if set(wanted) <= set(plain):
            part = points[:, [3 + plain.index(name) for name in wanted]]
            part = _in_range(part.astype(np.float32), kind)
        parts.append(part)
    return np.concatenate(parts, axis=1)


def _in_range(values: np.ndarray, kind: str) -> np.ndarray:
    values = np.nan_to_num(values)
    if kind == 'normals':
        length = np.linalg.norm(values, axis=1, keepdims=True)
        return values / np.maximum(length, 1e-6)
    if kind == 'color':
        largest = values.max(initial=0)
        whole = next((n for n in _LARGEST if largest <= n), largest)
    else:
        whole = max(float(np.percentile(values, 99)), 1e-6)
    return np.clip(2 * values / whole - 1, -1, 1).astype(np.float32)
