"""Contact sheets of clouds as PNG files, without a display."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .arrays import paired, prepare_path, to_colors, to_points, upright
from .rasterizer import draw_points
from .sheet import Cell, compose_sheet


def draw_clouds(
    clouds: Sequence[Any],
    titles: Sequence[str] | None,
    path: str | Path,
    *,
    colors: Sequence[Any] | None = None,
    columns: int | None = None,
    up_axis: str = 'y',
    panel: int = 220,
) -> Path:
    """Write a contact sheet of clouds as a PNG and return its path.

    Args:
        clouds: Arrays or tensors (N, 3 + F); N may differ between clouds.
        titles: One title per cloud, or None.
        path: The file, ending in .png; its folder is made.
        colors: Per cloud None (by height), (3,) or (N, 3) in [0, 1] or
            uint8, or (N,) integer labels; None for all by height.
        columns: Clouds per row; None makes the sheet about square.
        up_axis: 'x', 'y' or 'z'.
        panel: Width and height of one cloud's picture.

    Raises:
        ValueError: If there is no cloud, or something has a wrong shape.
    """
    out = prepare_path(path, '.png')
    if len(clouds) == 0:
        raise ValueError('clouds must hold at least one cloud, got none')
    if columns is None:
        columns = math.ceil(math.sqrt(len(clouds)))
    if columns < 1:
        raise ValueError(f'columns must be at least 1, got {columns}')
    titles = paired(titles, len(clouds), 'titles')
    colors = paired(colors, len(clouds), 'colors')
    columns = min(columns, len(clouds))
    cells = []
    for index, cloud in enumerate(clouds):
        points = to_points(cloud, f'clouds[{index}]')
        tone = to_colors(colors[index], points, up_axis)
        picture = draw_points(upright(points, up_axis), tone, panel)
        lines = (titles[index] or '',) if any(titles) else ()
        cells.append(Cell(lines, picture))
    rows = [
        cells[start : start + columns]
        for start in range(0, len(cells), columns)
    ]
    compose_sheet(rows, panel).save(out)
    return out
