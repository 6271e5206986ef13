"""Pictures of scenes: points, boxes and classes of points.

It needs PyTorch for the corners of boxes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from mmdet3d_act.ops import box_corners
from mmdet3d_act.visualization.arrays import (
    PALETTE,
    height_colors,
    prepare_path,
    to_colors,
    to_numpy,
    to_points,
    upright,
)
from mmdet3d_act.visualization.html import write_html
from mmdet3d_act.visualization.rasterizer import draw_points, fit_frame
from mmdet3d_act.visualization.sheet import INK, MARGIN, Cell, compose_sheet
from mmdet3d_act.wording import counted

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_POINTS = 40_000  # of a scene that are drawn
SPACING = 0.0025  # of points along the edges of boxes, in sizes of the scene
MAX_EDGE = 800  # points along one edge
BESIDE = 1.5  # what is shown, at most, in extents of the scene
ELEVATION = np.deg2rad(48.0)
_PALE = 0.8
_RIGHT, _WRONG = (0.78, 0.82, 0.86), (0.80, 0.20, 0.20)
_UNLABELLED = 0.88
# Pairs of corners between which the edges of a box run.
_EDGES = [
    *((i, (i + 1) % 4) for i in range(4)),
    *((4 + i, 4 + (i + 1) % 4) for i in range(4)),
    *((i, i + 4) for i in range(4)),
]


class ScenePanel(NamedTuple):
    """One picture of a scene.

    Attributes:
        title: Text above it.
        points: (P, 3), at least one.
        colors: (P, 3) in [0, 1].
        caption: A second line of text.
    """

    title: str
    points: np.ndarray
    colors: np.ndarray
    caption: str = ''


def class_colors(
    number: int, palette: Sequence[Sequence[float]] | None = None
) -> np.ndarray:
    """Return a colour for each class, (number, 3) in [0, 1].

    Args:
        number: Classes.
        palette: RGB from 0 to 255, as data sets of MMDetection3D have it;
            None, or one that is too short, takes ours, again from its start
            where there are more classes.
    """
    if palette is not None and len(palette) >= number:
        return np.asarray(palette, dtype=float)[:number] / 255
    return PALETTE[np.arange(number) % len(PALETTE)]


def thin_out(points: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """Return at most ``MAX_POINTS`` rows of each, evenly spread.

    Args:
        points: (P, 3).
        *others: (P, ...), thinned out alike.
    """
    number = len(points)
    chosen = np.arange(number)
    if number > MAX_POINTS:
        chosen = np.linspace(0, number - 1, MAX_POINTS).astype(np.int64)
    return [one[chosen] for one in (points, *others)]


def box_edges(
    boxes: Any,  # noqa: ANN401
    spacing: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return points along the edges of boxes, and whose they are.

    Args:
        boxes: (n, 6 or 7): middle, sizes, perhaps yaw.
        spacing: Distance of the points, in units of the boxes; larger where
            an edge would have more than ``MAX_EDGE``.

    Returns:
        (E, 3), and int64 (E,).
    """
    boxes = torch.as_tensor(to_numpy(boxes))
    corners = box_corners(boxes.double()).numpy()
    places, owners = [np.zeros((0, 3))], [np.zeros(0, np.int64)]
    for index, own in enumerate(corners):
        for first, second in _EDGES:
            start, end = own[first], own[second]
            steps = np.linalg.norm(end - start) / max(spacing, 1e-9)
            count = min(int(steps) + 2, MAX_EDGE)
            share = np.linspace(0, 1, count)[:, None]
            places.append(start + share * (end - start))
            owners.append(np.full(count, index))
    return np.concatenate(places), np.concatenate(owners)


def plain_panel(title: str, points: Any) -> ScenePanel:  # noqa: ANN401
    """Return a panel with points coloured by height.

    Args:
        title: Of the panel.
        points: (P, 3 + F), z up.
    """
    (points,) = thin_out(to_points(points))
    return ScenePanel(title, points, height_colors(points, 'z'))


def box_panel(
    title: str,
    points: Any,  # noqa: ANN401
    boxes: Any,  # noqa: ANN401
    labels: Any,  # noqa: ANN401
    colors: np.ndarray,
    caption: str = '',
) -> ScenePanel:
    """Return a panel with pale points and boxes in the colours of classes.

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
    # Of any unit: a picture of millimetres costs what one of metres does.
    edges, owners = box_edges(boxes, SPACING * np.ptp(points, axis=0).max())
    labels = to_numpy(labels).astype(np.int64)
    tint = colors[labels[owners]]
    return ScenePanel(
        title,
        np.concatenate([points, edges]),
        np.concatenate([grey, tint]),
        caption or counted(len(labels), 'box', 'boxes'),
    )


def label_panel(
    title: str,
    points: Any,  # noqa: ANN401
    labels: Any,  # noqa: ANN401
    colors: np.ndarray,
    caption: str = '',
) -> ScenePanel:
    """Return a panel with points in the colours of their classes.

    Args:
        title: Of the panel.
        points: (P, 3 + F), z up.
        labels: (P,); those that are no class are pale.
        colors: Of the classes, (C, 3) in [0, 1].
        caption: Of the panel.
    """
    points, labels = thin_out(to_points(points), to_numpy(labels))
    known = (labels >= 0) & (labels < len(colors))
    tint = colors[np.where(known, labels, 0)]
    tint = np.where(known[:, None], tint, _UNLABELLED)
    return ScenePanel(title, points, tint, caption)


def error_panel(
    points: Any,  # noqa: ANN401
    labels: Any,  # noqa: ANN401
    predicted: Any,  # noqa: ANN401
    num_classes: int,
) -> ScenePanel:
    """Return a panel with wrongly classified points in red.

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
        return ScenePanel('errors', points, grey, 'no labels')
    wrong = (labels != predicted)[known]
    tint = np.where(wrong[:, None], _WRONG, _RIGHT)
    caption = f'{100 * (1 - wrong.mean()):.1f} % right'
    return ScenePanel('errors', points[known], tint, caption)


def draw_scene_panels(
    rows: Sequence[Sequence[ScenePanel]],
    path: str | Path,
    *,
    legend: Mapping[str, Sequence[float]] | None = None,
    up_axis: str = 'z',
    panel: int = 420,
) -> Path:
    """Write a sheet of scenes as a PNG, without a display; return its path.

    The panels of a row have one view: of the first, and of what the others
    show beside it, such as boxes, within ``BESIDE`` times its extents.

    Args:
        rows: One a scene.
        path: The file, ending in .png; its folder is made.
        legend: Colours in [0, 1] by name, below the panels.
        up_axis: 'x', 'y' or 'z'.
        panel: Width and height of one panel.

    Raises:
        ValueError: If there is no panel, or something has a wrong shape.
    """
    out = prepare_path(path, '.png')
    if not rows or not all(len(row) for row in rows):
        raise ValueError(
            'rows must hold at least one panel each, got '
            f'{[len(row) for row in rows]}; give every scene a panel'
        )
    sheet = []
    for row in rows:
        shown = [
            upright(to_points(one.points, one.title), up_axis) for one in row
        ]
        low, high = shown[0].min(axis=0), shown[0].max(axis=0)
        margin = (BESIDE - 1) / 2 * (high - low)
        fitted = np.clip(np.concatenate(shown), low - margin, high + margin)
        frame = fit_frame(fitted, ELEVATION)
        cells = []
        for one in row:
            points = to_points(one.points, one.title)
            colors = to_colors(one.colors, points, up_axis)
            picture = draw_points(
                upright(points, up_axis), colors, panel, frame=frame
            )
            cells.append(Cell((one.title, one.caption), picture))
        sheet.append(cells)
    image = compose_sheet(sheet, panel)
    if legend:
        image = _with_legend(image, legend)
    image.save(out)
    return out


def write_scene_html(
    rows: Sequence[Sequence[ScenePanel]],
    path: str | Path,
    *,
    up_axis: str = 'z',
    heading: str = 'Scenes',
) -> Path:
    """Write a web page with the same rows, to be turned; return its path.

    Args:
        rows: One a scene.
        path: The file, ending in .html; its folder is made.
        up_axis: 'x', 'y' or 'z'.
        heading: Title of the page.
    """
    panels = [one for row in rows for one in row]
    return write_html(
        [one.points for one in panels],
        path,
        titles=[f'{one.title} · {one.caption}'.strip(' ·') for one in panels],
        colors=[one.colors for one in panels],
        columns=max(len(row) for row in rows),
        up_axis=up_axis,
        heading=heading,
    )


def _with_legend(image: Image, legend: Mapping[str, Sequence[float]]) -> Image:
    """Return the picture with coloured squares and names below it."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=13)
    pen = ImageDraw.Draw(image)
    height, square, gap = 22, 12, 18
    places, x, y = [], MARGIN, image.height
    for name in legend:
        width = square + 6 + pen.textlength(name, font=font) + gap
        if x + width > image.width and x > MARGIN:
            x, y = MARGIN, y + height
        places.append((x, y))
        x += width
    whole = Image.new('RGB', (image.width, y + height + MARGIN), 'white')
    whole.paste(image, (0, 0))
    pen = ImageDraw.Draw(whole)
    for (left, top), (name, color) in zip(places, legend.items(), strict=True):
        middle = top + height / 2
        corner = (left, middle - square / 2)
        pen.rectangle(
            (*corner, left + square, middle + square / 2),
            fill=tuple(round(255 * float(one)) for one in color),
        )
        pen.text((left + square + 6, middle), name, INK, font, anchor='lm')
    return whole
