"""Clouds as PLY files, for MeshLab, CloudCompare or Blender."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .arrays import prepare_path, to_colors, to_points

_COLORS = ('red', 'green', 'blue')


def write_ply(
    points: Any,  # noqa: ANN401
    path: str | Path,
    colors: Any = None,  # noqa: ANN401
) -> Path:
    """Write a cloud as a binary little-endian PLY.

    Args:
        points: (N, 3 + F) array or tensor; only the coordinates are kept.
        path: The file, ending in .ply; its folder is made.
        colors: None (no colours), (3,) or (N, 3) in [0, 1] or uint8, or (N,)
            integer labels.

    Returns:
        The path.

    Raises:
        ValueError: If something has a wrong shape.
    """
    from plyfile import PlyData, PlyElement

    out = prepare_path(path, '.ply')
    array = to_points(points)
    columns = dict(zip('xyz', array.T.astype('<f4'), strict=True))
    if colors is not None:
        tones = np.round(255 * to_colors(colors, array, 'z')).astype('u1')
        columns.update(zip(_COLORS, tones.T, strict=True))
    rows = np.rec.fromarrays(list(columns.values()), names=list(columns))
    vertices = PlyElement.describe(np.asarray(rows), 'vertex')
    PlyData([vertices], byte_order='<').write(str(out))
    return out
