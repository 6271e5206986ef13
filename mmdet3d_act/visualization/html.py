"""A web page with clouds to turn by the mouse; one file, no network."""

from __future__ import annotations

import base64
import html as html_text
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from .arrays import paired, prepare_path, to_colors, to_points, upright


def write_html(
    clouds: Sequence[Any],
    path: str | Path,
    *,
    titles: Sequence[str] | None = None,
    colors: Sequence[Any] | None = None,
    columns: int | None = None,
    up_axis: str = 'y',
    heading: str = 'Point clouds',
) -> Path:
    """Write a self-contained page that shows clouds and return its path.

    Dragging turns all clouds together, the wheel zooms, a double click
    resets. The page needs no network, no graphics card and no library.

    Args:
        clouds: Arrays or tensors (N, 3 + F); N may differ between clouds.
        path: The file, ending in .html; its folder is made.
        titles: One title per cloud, or None.
        colors: Per cloud None (by height), (3,) or (N, 3) in [0, 1] or
            uint8, or (N,) integer labels; None for all by height.
        columns: Clouds per row; None lets the window decide.
        up_axis: 'x', 'y' or 'z'.
        heading: Title of the page.

    Raises:
        ValueError: If there is no cloud, or something has a wrong shape.
    """
    out = prepare_path(path, '.html')
    if len(clouds) == 0:
        raise ValueError('clouds must hold at least one cloud, got none')
    titles = paired(titles, len(clouds), 'titles')
    colors = paired(colors, len(clouds), 'colors')
    entries = [
        _entry(cloud, titles[index], colors[index], index, up_axis)
        for index, cloud in enumerate(clouds)
    ]
    data = json.dumps({'columns': columns, 'clouds': entries})
    # "</" would end the script element that holds the data.
    data = data.replace('</', '<\\/')
    page = _template('viewer.html')
    page = page.replace('@HEADING@', html_text.escape(heading))
    page = page.replace('@SCRIPT@', _template('viewer.js'))
    out.write_text(page.replace('@DATA@', data), encoding='utf-8')
    return out


def _template(name: str) -> str:
    """Return the text of a file that lies beside this module."""
    folder = resources.files(__package__)
    return folder.joinpath(name).read_text(encoding='utf-8')


def _entry(
    cloud: Any,  # noqa: ANN401
    title: str | None,
    colors: Any,  # noqa: ANN401
    index: int,
    up_axis: str,
) -> dict[str, Any]:
    """Return what the page needs of one cloud.

    Coordinates are scaled into [-1, 1] and kept as 16-bit integers, which is
    finer than any screen.
    """
    points = to_points(cloud, f'clouds[{index}]')
    tone = to_colors(colors, points, up_axis)
    turned = upright(points, up_axis)
    offset = turned - (turned.min(axis=0) + turned.max(axis=0)) / 2
    radius = max(float(np.linalg.norm(offset, axis=1).max()), 1e-9)
    scaled = np.round(offset / radius * 32767)
    return {
        'title': title or '',
        'count': len(points),
        'positions': _packed(scaled.astype('<i2')),
        'colors': _packed(np.round(255 * tone).astype(np.uint8)),
    }


def _packed(array: np.ndarray) -> str:
    """Return the bytes of an array as base64 text."""
    return base64.b64encode(np.ascontiguousarray(array)).decode('ascii')
