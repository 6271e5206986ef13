"""Clouds as PLY files, for MeshLab, CloudCompare or Blender."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .arrays import prepare_path, to_colors, to_points


def write_ply(
    points: Any,  # noqa: ANN401
    path: str | Path,
    colors: Any = None,  # noqa: ANN401
) -> Path:
    """Write a cloud as a binary little-endian PLY and return its path.

    Args:
        points: (N, 3 + F) array or tensor; only the coordinates are kept.
        path: The file, ending in .ply; its folder is made.
        colors: None (no colours), (3,) or (N, 3) in [0, 1] or uint8, or (N,)
            integer labels.

    Raises:
        ValueError: If something has a wrong shape.
    """
    out = prepare_path(path, '.ply')
    array = to_points(points)
    layout = [(axis, '<f4') for axis in 'xyz']
    lines = [f'property float {axis}' for axis in 'xyz']
    if colors is not None:
        names = ('red', 'green', 'blue')
        layout += [(name, 'u1') for name in names]
        lines += [f'property uchar {name}' for name in names]
    rows = np.empty(len(array), dtype=layout)
    for column, axis in enumerate('xyz'):
        rows[axis] = array[:, column]
    if colors is not None:
        tone = np.round(255 * to_colors(colors, array, 'z'))
        for column, name in enumerate(('red', 'green', 'blue')):
            rows[name] = tone[:, column]
    header = [
        'ply',
        'format binary_little_endian 1.0',
        f'element vertex {len(array)}',
        *lines,
        'end_header\n',
    ]
    out.write_bytes('\n'.join(header).encode('ascii') + rows.tobytes())
    return out
