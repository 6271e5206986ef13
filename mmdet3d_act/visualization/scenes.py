"""Pictures of scenes: points, boxes and classes of points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmdet3d_act.ops import box_corners
from mmdet3d_act.text import counted

from .arrays import height_colors, to_numpy, to_points, upright
from .rasterizer import fit_frame
from .sheet import Boxes, Panel, draw_sheet

MAX_POINTS = 40_000  # of a scene that are drawn
ELEVATION = np.deg2rad(48.0)
_PALE = 0.8
_RIGHT, _WRONG = (0.78, 0.82, 0.86), (0.80, 0.20, 0.20)
_UNLABELLED = 0.88


def thin_out(points: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """Keep at most ``MAX_POINTS`` rows of each, evenly spread.

    Args:
        points: (P, 3).
        *others: (P, ...), thinned out alike.
    """
    number = min(len(points), MAX_POINTS)
    chosen = np.linspace(0, len(points) - 1, number).astype(np.int64)
    return [one[chosen] for one in (points, *others)]


def plain_panel(title: str, points: Any) -> Panel:  # noqa: ANN401
    """Make a panel with points coloured by height.

    Args:
        title: Of the panel.
        points: (P, 3 + F), z up.
    """
    (points,) = thin_out(to_points(points))
    return Panel(title, points, height_colors(points, 'z'))


def box_panel(
    title: str,
    points: Any,  # noqa: ANN401
    boxes: Any,  # noqa: ANN401
    labels: Any,  # noqa: ANN401
    colors: np.ndarray,
    caption: str = '',
) -> Panel:
    """Make a panel with pale points and boxes in the colours of classes.

    Args:
        title: Of the panel.
        points: (P, 3 + F), z up.
        boxes: (n, 6 or 7), n may be 0.
        labels: (n,).
        colors: Of the classes, (C, 3) in [0, 1].
        caption: Of the panel; their number by default.
    """
    (points,) = thin_out(to_points(points))
    grey = 0.45 * height_colors(points, 'z') + 0.55 * _PALE
    labels = to_numpy(labels).astype(np.int64)
    corners = box_corners(torch.as_tensor(to_numpy(boxes)).double()).numpy()
    return Panel(
        title,
        points,
        grey,
        caption or counted(len(labels), 'box', 'boxes'),
        boxes=Boxes(corners, colors[labels]),
    )


def label_panel(
    title: str,
    points: Any,  # noqa: ANN401
    labels: Any,  # noqa: ANN401
    colors: np.ndarray,
) -> Panel:
    """Make a panel with points in the colours of their classes.

    Args:
        title: Of the panel.
        points: (P, 3 + F), z up.
        labels: (P,); those that are no class are pale.
        colors: Of the classes, (C, 3) in [0, 1].
    """
    points, labels = thin_out(to_points(points), to_numpy(labels))
    known = (labels >= 0) & (labels < len(colors))
    tint = colors[np.where(known, labels, 0)]
    tint = np.where(known[:, None], tint, _UNLABELLED)
    return Panel(title, points, tint)


def error_panel(
    points: Any,  # noqa: ANN401
    labels: Any,  # noqa: ANN401
    predicted: Any,  # noqa: ANN401
    num_classes: int,
) -> Panel:
    """Make a panel with wrongly classified points in red.

    Args:
        points: (P, 3 + F), z up.
        labels: (P,); points whose label is no class are left out.
        predicted: (P,).
        num_classes: Number of classes.
    """
    points, labels, predicted = thin_out(
        to_points(points), to_numpy(labels), to_numpy(predicted)
    )
    known = (labels >= 0) & (labels < num_classes)
    if not known.any():
        grey = np.full((len(points), 3), _UNLABELLED)
        return Panel('errors', points, grey, 'no labels')
    wrong = (labels != predicted)[known]
    tint = np.where(wrong[:, None], _WRONG, _RIGHT)
    caption = f'{100 * (1 - wrong.mean()):.1f} % right'
    return Panel('errors', points[known], tint, caption)


def draw_scene_panels(
    rows: Sequence[Sequence[Panel]],
    path: str | Path,
    *,
    legend: Mapping[str, Sequence[float]] | None = None,
    up_axis: str = 'z',
    panel: int = 420,
) -> Path:
    """Write a sheet of scenes as a PNG, without a display; return its path.

    The panels of a row have one view, that of the first.

    Args:
        rows: One a scene.
        path: The file, ending in .png; its folder is made.
        legend: Colours in [0, 1] by name, below the panels.
        up_axis: 'x', 'y' or 'z'.
        panel: Width and height of one panel.
    """
    sheet = []
    for row in rows:
        frame = fit_frame(upright(row[0].points, up_axis), ELEVATION)
        sheet.append([one._replace(frame=frame) for one in row])
    return draw_sheet(sheet, path, up_axis=up_axis, panel=panel, legend=legend)
