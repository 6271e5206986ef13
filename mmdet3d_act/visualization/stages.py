"""What becomes of clouds, stage by stage: a row a cloud, a column a stage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .arrays import (
    PALETTE,
    height_colors,
    prepare_path,
    to_numpy,
    to_points,
    upright,
)
from .html import write_html
from .ply import write_ply
from .rasterizer import draw_points, fit_frame
from .sheet import Cell, compose_sheet

_GREY = 0.78


class Stage(NamedTuple):
    """One column of a sheet: what a batch of clouds is at one point.

    Attributes:
        title: Name of the stage.
        points: (B, P, 3), at their place in the cloud.
        labels: Integers (B, P) that choose colours, -1 for grey; None
            colours by height.
        captions: One line per cloud, or none.
    """

    title: str
    points: Any
    labels: Any = None
    captions: Sequence[str] = ()


def render_stages(
    stages: Sequence[Stage],
    *,
    names: Sequence[str] | None = None,
    notes: Sequence[str] = (),
    up_axis: str = 'y',
    panel: int = 220,
) -> np.ndarray:
    """Return a picture of stages, (H, W, 3) uint8.

    A row keeps the scale and the view of its first stage, so that its
    pictures can be compared.

    Args:
        stages: The columns, all of one batch.
        names: One name per cloud, put above the first column.
        notes: Lines of text below the pictures.
        up_axis: 'x', 'y' or 'z'.
        panel: Width and height of one picture.

    Raises:
        ValueError: If there is no stage, or shapes do not fit together.
    """
    number = _check(stages, names)
    rows = []
    for index in range(number):
        first = to_points(stages[0].points[index], stages[0].title)
        frame = fit_frame(upright(first, up_axis))
        row = []
        for column, stage in enumerate(stages):
            captions = (
                [] if not len(stage.captions) else [stage.captions[index]]
            )
            if column == 0 and names is not None:
                captions.insert(0, names[index])
            points, colors = _tinted(stage, index, first, up_axis)
            turned = upright(points, up_axis)
            picture = draw_points(turned, colors, panel, frame=frame)
            row.append(Cell((' · '.join(captions),), picture))
        if not any(cell.lines[0] for cell in row):
            row = [cell._replace(lines=()) for cell in row]
        rows.append(row)
    heads = [stage.title for stage in stages]
    return np.asarray(compose_sheet(rows, panel, heads=heads, notes=notes))


def draw_stages(
    stages: Sequence[Stage], path: str | Path, **options: Any
) -> Path:
    """Write a picture of stages as a PNG and return its path.

    Args:
        stages: The columns, all of one batch.
        path: The file, ending in .png; its folder is made.
        **options: See :func:`render_stages`.

    Raises:
        ValueError: If there is no stage, or shapes do not fit together.
    """
    from PIL import Image

    out = prepare_path(path, '.png')
    Image.fromarray(render_stages(stages, **options)).save(out)
    return out


def write_stages_html(
    stages: Sequence[Stage],
    path: str | Path,
    *,
    names: Sequence[str] | None = None,
    up_axis: str = 'y',
    heading: str = 'Reconstructions',
) -> Path:
    """Write a web page with the same rows and columns; return its path.

    Args:
        stages: The columns, all of one batch.
        path: The file, ending in .html; its folder is made.
        names: One name per cloud.
        up_axis: 'x', 'y' or 'z'.
        heading: Title of the page.

    Raises:
        ValueError: If there is no stage, or shapes do not fit together.
    """
    clouds, colors, titles = [], [], []
    for index in range(_check(stages, names)):
        first = to_points(stages[0].points[index], stages[0].title)
        for stage in stages:
            points, tone = _tinted(stage, index, first, up_axis)
            clouds.append(points)
            colors.append(tone)
            parts = [stage.title, *(names or [])[index : index + 1]]
            parts += list(stage.captions)[index : index + 1]
            titles.append(' · '.join(parts))
    return write_html(
        clouds,
        path,
        titles=titles,
        colors=colors,
        columns=len(stages),
        up_axis=up_axis,
        heading=heading,
    )


def write_stages_ply(
    stages: Sequence[Stage],
    folder: str | Path,
    *,
    names: Sequence[str] | None = None,
    up_axis: str = 'y',
) -> list[Path]:
    """Write every cloud of every stage as a PLY; return the paths.

    Args:
        stages: The columns, all of one batch.
        folder: Files are called ``<row>_<name>_<column>_<stage>.ply`` in it.
        names: One name per cloud.
        up_axis: 'x', 'y' or 'z'.

    Raises:
        ValueError: If there is no stage, or shapes do not fit together.
    """
    paths = []
    for index in range(_check(stages, names)):
        first = to_points(stages[0].points[index], stages[0].title)
        name = '' if names is None else f'{_file_name(names[index])}_'
        for column, stage in enumerate(stages):
            points, colors = _tinted(stage, index, first, up_axis)
            stem = f'{index}_{name}{column}_{_file_name(stage.title)}'
            paths.append(
                write_ply(points, Path(folder) / f'{stem}.ply', colors)
            )
    return paths


def spread_labels(centers: Any) -> np.ndarray:  # noqa: ANN401
    """Return a label per patch, (B, G), different ones for neighbours.

    Args:
        centers: (B, G, 3).
    """
    along = to_numpy(centers) @ np.array([1.0, 0.62, 0.38])
    order = np.argsort(np.argsort(along, axis=-1), axis=-1)
    return order * 5 % len(PALETTE)


def _check(stages: Sequence[Stage], names: Sequence[str] | None) -> int:
    """Return the number of clouds that all stages have."""
    if not stages:
        raise ValueError('stages must hold at least one stage, got none')
    number = len(stages[0].points)
    for stage in stages:
        points = to_numpy(stage.points)
        if points.ndim != 3 or len(points) != number:
            raise ValueError(
                f'{stage.title} must hold {number} clouds, (B, P, 3), got '
                f'{points.shape}; pass the same batch'
            )
        if stage.labels is not None:
            labels = to_numpy(stage.labels)
            if labels.shape != points.shape[:2]:
                raise ValueError(
                    f'labels of {stage.title} must have shape '
                    f'{points.shape[:2]}, got {labels.shape}; give one to '
                    'each point'
                )
        if len(stage.captions) not in (0, number):
            raise ValueError(
                f'{stage.title} must have one caption per cloud, got '
                f'{len(stage.captions)} for {number}'
            )
    if names is not None and len(names) != number:
        raise ValueError(
            f'names must have one entry per cloud, got {len(names)} for '
            f'{number}; give one each'
        )
    return number


def _tinted(
    stage: Stage, index: int, first: np.ndarray, up_axis: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return one cloud of a stage and its colours, each (P, 3)."""
    points = to_points(stage.points[index], stage.title)
    if stage.labels is None:
        return points, height_colors(points, up_axis, like=first)
    labels = to_numpy(stage.labels[index]).astype(np.int64)
    # What is coloured lies on top where both hold the same point.
    order = np.argsort(labels >= 0, kind='stable')
    labels = labels[order]
    colors = PALETTE[labels % len(PALETTE)]
    return points[order], np.where(labels[:, None] < 0, _GREY, colors)


def _file_name(text: str) -> str:
    """Return the text with what file systems dislike replaced."""
    kept = ''.join(c if c.isalnum() else ' ' for c in text)
    return '-'.join(kept.split()) or 'x'
