"""Clouds as PLY files, for MeshLab, CloudCompare or Blender."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .arrays import to_numpy, to_points
from .sheet import Panel


def write_ply(
    points: Any,  # noqa: ANN401
    path: str | Path,
    colors: Any = None,  # noqa: ANN401
    labels: np.ndarray | None = None,
) -> Path:
    """Write a cloud as a binary little-endian PLY; return its path.

    Args:
        points: (N, 3 + F) array or tensor; only the coordinates are kept.
        path: The file; its folder is made.
        colors: (N, 3) in [0, 1], or None.
        labels: Integers (N,), or None.

    Raises:
        ValueError: If a coordinate is not finite, or shapes do not fit.
    """
    from plyfile import PlyData, PlyElement

    columns = dict(zip('xyz', to_points(points).T, strict=True))
    if colors is not None:
        tints = np.round(255 * to_numpy(colors)).astype(np.uint8)
        columns |= dict(zip(('red', 'green', 'blue'), tints.T, strict=True))
    if labels is not None:
        columns['label'] = labels.astype(np.int32)
    kinds = [(name, column.dtype) for name, column in columns.items()]
    rows = np.rec.fromarrays([*columns.values()], dtype=kinds)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    PlyData([PlyElement.describe(rows, 'vertex')], byte_order='<').write(path)
    return path


def write_ply_files(
    rows: Sequence[Sequence[Panel]], folder: str | Path, names: Sequence[str]
) -> list[Path]:
    """Write every cloud of a sheet as a PLY; return the paths.

    Args:
        rows: As of a sheet.
        folder: Files are called ``<row>_<name>_<column>_<title>.ply`` in it.
        names: One name per row.
    """
    paths = []
    for index, (row, name) in enumerate(zip(rows, names, strict=True)):
        for column, panel in enumerate(row):
            if panel.points is None:
                continue
            parts = (str(index), name, str(column), panel.title)
            stem = '_'.join(map(_file_name, parts))
            path = Path(folder) / f'{stem}.ply'
            paths.append(write_ply(panel.points, path, panel.colors))
    return paths


def _file_name(text: str) -> str:
    """Replace what file systems dislike."""
    kept = ''.join(c if c.isalnum() else ' ' for c in text)
    return '-'.join(kept.split()) or 'x'
