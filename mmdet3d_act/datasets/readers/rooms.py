"""Reading rooms of S3DIS: one memory-mapped table each."""

from __future__ import annotations

import functools
import os
from typing import NamedTuple

import numpy as np

from mmdet3d_act.datasets.readers.errors import BadSampleError, reading
from mmdet3d_act.datasets.readers.points import check_labels

NUM_COLUMNS = 7
_CHUNK = 1 << 20


class Room(NamedTuple):
    """A room, whose rows stay on the disk until they are used.

    Attributes:
        rows: (N, 7), float32 or float64: x, y, z in metres, red, green, blue
            from 0 to 255, label.
        low: (3,), float64, smallest coordinates.
        high: (3,), float64, largest coordinates.
        label_counts: (num_classes,), int64, points of each label.
    """

    rows: np.ndarray
    low: np.ndarray
    high: np.ndarray
    label_counts: np.ndarray


def open_room(path: str, num_classes: int) -> Room:
    """Map and check a room of ``<area>_<room>.npy``.

    The whole file is read for the checks once per process: values are finite,
    labels below ``num_classes``.
    """
    rows = map_rows(path)
    stamp = os.stat(path)
    summary = _summarize(path, stamp.st_size, stamp.st_mtime_ns, num_classes)
    return Room(rows, *summary)


def map_rows(path: str) -> np.ndarray:
    """Map the rows of a room, (N, 7); no value is looked at."""
    with reading(path, 'a NumPy array'):
        rows = np.load(path, mmap_mode='r', allow_pickle=False)
        is_table = rows.size > 0 and rows.shape[1:] == (NUM_COLUMNS,)
        if not is_table or rows.dtype not in ('f4', 'f8'):
            raise ValueError(
                'expected (N, 7) of float32 or float64 with x, y, z, red, '
                f'green, blue and label, got {rows.dtype} {rows.shape}'
            )
    return rows


@functools.lru_cache(maxsize=4096)
def _summarize(
    path: str, size: int, time: int, num_classes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find extent and label counts of a file as it was at a time."""
    rows = map_rows(path)
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    counts = np.zeros(num_classes, np.int64)
    for start in range(0, len(rows), _CHUNK):
        part = np.asarray(rows[start : start + _CHUNK])
        finite = np.isfinite(part)
        if not finite.all():
            bad = ~finite.all(axis=1)
            raise BadSampleError(
                path,
                f'NaN or infinite values, the first in row '
                f'{start + int(bad.argmax())}',
            )
        labels = check_labels(part[:, 6], path, range(num_classes))
        counts += np.bincount(labels, minlength=num_classes)
        low = np.minimum(low, part[:, :3].min(0))
        high = np.maximum(high, part[:, :3].max(0))
    return low, high, counts
