"""A web page with clouds to turn and to click; one file, no network.

WebGL is three.js, as trimesh brings it.
"""

from __future__ import annotations

import base64
import html as html_text
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from .arrays import scale_colors, upright
from .sheet import EDGES, Panel

SIMILARITY = 'similarity to a clicked patch'


def write_html(
    rows: Sequence[Sequence[Panel]],
    path: str | Path,
    *,
    up_axis: str = 'y',
    heading: str = 'Point clouds',
    legend: Mapping[str, Sequence[float]] | None = None,
    above: str = '',
    gallery: Mapping[str, Any] | None = None,
) -> Path:
    """Write panels in rows as a self-contained page; return its path.

    Dragging or the arrow keys turn all clouds together, the wheel or + and -
    zoom, a double click or 0 resets. A choice of colours is there where
    panels have `views`; a click shows which patches are like the clicked one
    where they have `patches`; a slider where boxes have scores.

    Args:
        rows: As of a sheet.
        path: The file, ending in .html; its folder is made.
        up_axis: 'x', 'y' or 'z'.
        heading: Title of the page.
        legend: Colours in [0, 1] by name.
        above: HTML between the heading and the clouds.
        gallery: Clouds to search in: ``items``, a dict of ``name`` and
            ``image`` (a data URL) each, and ``neighbors``: by a title, for
            each item, pairs of an item and a similarity.
    """
    data = {
        'rows': [[_entry(panel, up_axis) for panel in row] for row in rows],
        'columns': max((len(row) for row in rows), default=1),
        'similarity': SIMILARITY,
        'scale': _encoded(_bytes(scale_colors(np.arange(256) / 255))),
        'legend': {
            name: _bytes(np.array(color)).tolist()
            for name, color in (legend or {}).items()
        },
        'gallery': gallery,
    }
    # "</" would end the script element that holds the data.
    text = json.dumps(data, allow_nan=False).replace('</', '<\\/')
    page = _template('viewer.html')
    for name, part in (
        ('HEADING', html_text.escape(heading)),
        ('ABOVE', above),
        ('LIBRARY', three_js()),
        ('SCRIPT', _template('viewer.js')),
        ('DATA', text),
    ):
        page = page.replace(f'@{name}@', part)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding='utf-8')
    return path


@cache
def three_js() -> str:
    """Take three.js out of the page that trimesh makes of a scene."""
    import trimesh
    from trimesh.viewer import scene_to_html

    scene = trimesh.Scene(trimesh.PointCloud(np.eye(3)))
    page = scene_to_html(scene)
    # Behind the library is what draws trimesh's own scene.
    start = page.index('<script>') + len('<script>')
    return page[start : page.index('var camera,controls', start)]


def _template(name: str) -> str:
    """Read a file that lies beside this module."""
    folder = resources.files(__package__)
    return folder.joinpath(name).read_text(encoding='utf-8')


def _entry(panel: Panel, up_axis: str) -> dict[str, Any]:
    """Collect what the page needs of one panel.

    Coordinates are scaled into [-1, 1] and kept as 16-bit integers, which is
    finer than any screen.
    """
    # The page counts boxes itself, as its slider says which are shown.
    caption = panel.caption if panel.boxes is None else ''
    texts = (panel.title, caption, panel.message)
    entry: dict[str, Any] = {'title': ' · '.join(filter(None, texts))}
    if panel.points is None:
        return entry | {'count': 0}
    points = upright(panel.points, up_axis)
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    radius = max(float(np.linalg.norm(points - middle, axis=1).max()), 1e-9)
    scaled = (points - middle) / radius * 32767
    entry |= {
        'count': len(points),
        'positions': _encoded(np.round(scaled).astype('<i2')),
        'colors': {'': _encoded(_bytes(panel.colors))},
    }
    for name, colors in (panel.views or {}).items():
        entry['colors'][name] = _encoded(_bytes(colors))
    if panel.patches is not None:
        labels, likeness = panel.patches
        entry['patches'] = np.asarray(labels).tolist()
        entry['likeness'] = _bytes((likeness + 1) / 2).tolist()
    if panel.boxes is not None:
        one = panel.boxes
        corners = upright(one.corners[:, EDGES].reshape(-1, 3), up_axis)
        edges = np.round((corners - middle) / radius, 4)
        entry['boxes'] = {
            'edges': edges.reshape(len(one.corners), -1).tolist(),
            'colors': _bytes(one.colors).tolist(),
            'scores': one.scores
            if one.scores is None
            else one.scores.tolist(),
            'least': one.min_score,
        }
    return entry


def _bytes(shares: Any) -> np.ndarray:  # noqa: ANN401
    return np.round(255 * np.asarray(shares).clip(0, 1)).astype(np.uint8)


def _encoded(array: np.ndarray) -> str:
    """Encode the bytes of an array as base64 text."""
    return base64.b64encode(np.ascontiguousarray(array)).decode('ascii')
