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

from .arrays import upright
from .sheet import Panel


def write_html(
    rows: Sequence[Sequence[Panel]],
    path: str | Path,
    *,
    up_axis: str = 'y',
    heading: str = 'Point clouds',
) -> Path:
    """Write panels in rows as a self-contained page; return its path.

    Dragging turns all clouds together, the wheel zooms, a double click
    resets. The page needs no network, no graphics card and no library.

    Args:
        rows: As of a sheet.
        path: The file, ending in .html; its folder is made.
        up_axis: 'x', 'y' or 'z'.
        heading: Title of the page.
    """
    columns = max(len(row) for row in rows)
    clouds = []
    for row in rows:
        blanks = [Panel()] * (columns - len(row))
        clouds += [_entry(panel, up_axis) for panel in [*row, *blanks]]
    data = json.dumps({'columns': columns, 'clouds': clouds})
    # "</" would end the script element that holds the data.
    data = data.replace('</', '<\\/')
    page = _template('viewer.html')
    page = page.replace('@HEADING@', html_text.escape(heading))
    page = page.replace('@SCRIPT@', _template('viewer.js'))
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page.replace('@DATA@', data), encoding='utf-8')
    return path


def _template(name: str) -> str:
    """Read a file that lies beside this module."""
    folder = resources.files(__package__)
    return folder.joinpath(name).read_text(encoding='utf-8')


def _entry(panel: Panel, up_axis: str) -> dict[str, Any]:
    """Collect what the page needs of one panel.

    Coordinates are scaled into [-1, 1] and kept as 16-bit integers, which is
    finer than any screen.
    """
    texts = (panel.title, panel.caption, panel.message)
    title = ' · '.join(text for text in texts if text)
    if panel.points is None:
        return {'title': title, 'count': 0, 'positions': '', 'colors': ''}
    turned = upright(panel.points, up_axis)
    offset = turned - (turned.min(axis=0) + turned.max(axis=0)) / 2
    radius = max(float(np.linalg.norm(offset, axis=1).max()), 1e-9)
    scaled = np.round(offset / radius * 32767)
    tones = np.round(255 * np.asarray(panel.colors))
    return {
        'title': title,
        'count': len(turned),
        'positions': _encoded(scaled.astype('<i2')),
        'colors': _encoded(tones.astype(np.uint8)),
    }


def _encoded(array: np.ndarray) -> str:
    """Encode the bytes of an array as base64 text."""
    return base64.b64encode(np.ascontiguousarray(array)).decode('ascii')
