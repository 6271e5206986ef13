"""What becomes of clouds, stage by stage: a row a cloud, a column a stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .arrays import (
    PALETTE,
    height_colors,
    label_colors,
    to_numpy,
    to_points,
    upright,
)
from .rasterizer import fit_frame
from .sheet import Panel


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


def stage_rows(
    stages: Sequence[Stage], names: Sequence[str], up_axis: str = 'y'
) -> list[list[Panel]]:
    """Make the rows of a sheet from the stages of a batch.

    A row keeps the scale, the view and the colours of its first stage, so
    that its pictures can be compared.

    Args:
        stages: The columns, all of one batch.
        names: One name per cloud, put above the first column.
        up_axis: 'x', 'y' or 'z'.

    Raises:
        ValueError: If a coordinate is not finite.
    """
    rows = []
    for index, name in enumerate(names):
        first = to_points(stages[0].points[index], stages[0].title)
        frame = fit_frame(upright(first, up_axis))
        row = []
        for stage in stages:
            points = to_points(stage.points[index], stage.title)
            caption = stage.captions[index] if len(stage.captions) else ''
            if stage.labels is None:
                colors = height_colors(points, up_axis, like=first)
            else:
                labels = to_numpy(stage.labels[index])
                # What is coloured lies on top where both hold a point.
                order = np.argsort(labels >= 0, kind='stable')
                points, colors = points[order], label_colors(labels[order])
            row.append(Panel(stage.title, points, colors, caption, frame))
        described = f'{name} · {row[0].caption}' if row[0].caption else name
        row[0] = row[0]._replace(caption=described)
        rows.append(row)
    return rows


def spread_labels(centers: Any) -> np.ndarray:  # noqa: ANN401
    """Choose a label per patch, (B, G), different ones for neighbours.

    Args:
        centers: (B, G, 3).
    """
    along = to_numpy(centers) @ np.array([1.0, 0.62, 0.38])
    order = np.argsort(np.argsort(along, axis=-1), axis=-1)
    return order * 5 % len(PALETTE)
