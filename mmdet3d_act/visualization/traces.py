"""What transforms make of samples: a row a sample, a column a transform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mmdet3d_act.text import counted

from .arrays import (
    PALETTE,
    class_colors,
    height_colors,
    label_colors,
    upright,
)
from .rasterizer import Frame, filled_share, fit_frame
from .scenes import box_panel, label_panel
from .sheet import Panel

if TYPE_CHECKING:
    from .browsing import Step, Trace

# A cloud that fills less of its panel is drawn on a scale of its own, as one
# that would be cut off is.
_SMALLEST = 0.25
TRACE_NOTE = (
    'Numbers: extent of the cloud and middle of its box, along x, y, z. '
    'Clouds of one size look equally large, in all rows: the view is that of '
    'what the model is fed, the last column. "own scale" stands above a cloud '
    'that would be cut off or tiny in that view; it fills its panel instead, '
    'and its size is to be read from the numbers. '
    'Grouped clouds have a colour per patch (grey: in no patch), others are '
    'coloured by height; the last column has boxes, or points, in the colours '
    'of their classes, where the sample has some. A dot before a name: static '
    'pipeline, the same in every epoch.'
)


def trace_rows(
    traces: Sequence[Trace],
    *,
    classes: Sequence[str] = (),
    palette: Sequence[Sequence[float]] | None = None,
    up_axis: str = 'y',
) -> list[list[Panel]]:
    """Make the rows of a sheet from what transforms make of samples.

    Args:
        traces: The rows, see
            :func:`~mmdet3d_act.visualization.browsing.trace_sample`.
        classes: Names of the labels.
        palette: Colours of the classes, RGB from 0 to 255; None takes ours.
        up_axis: 'x', 'y' or 'z'.
    """
    frame = _common_frame(traces, up_axis)
    tints = class_colors(len(classes) or len(PALETTE), palette)
    return [
        [
            Panel(message=_describe(trace, classes)),
            *(_panel(step, frame, up_axis, tints) for step in trace.steps),
        ]
        for trace in traces
    ]


def _describe(trace: Trace, classes: Sequence[str]) -> str:
    """Say what stands at the beginning of a row."""
    label = 'no label'
    last = trace.steps[-1] if trace.steps else None
    if last is not None and last.labels is not None:
        known = last.labels[last.labels >= 0]
        if classes:
            known = known[known < len(classes)]
        label = counted(len(np.unique(known)), 'class', 'classes')
        if last.boxes is not None:
            label = f'{counted(len(last.boxes), "box", "boxes")} of {label}'
    elif trace.label is not None:
        label = f'label {trace.label}'
        if trace.label < len(classes):
            label += f' ({classes[trace.label]})'
    return f'{trace.name}\nepoch {trace.epoch}\n{label}'


def _common_frame(traces: Sequence[Trace], up_axis: str) -> Frame | None:
    """Fit a view to all that the model is fed; None where nothing is."""
    fed = [trace.steps[-1].points for trace in traces if trace.steps]
    fed = [p for p in fed if p is not None and np.isfinite(p).all()]
    if not fed:
        return None
    return fit_frame(upright(np.concatenate(fed), up_axis))


def _panel(
    step: Step, frame: Frame | None, up_axis: str, tints: np.ndarray
) -> Panel:
    title = f'\u00b7\u00a0{step.title}' if step.static else step.title
    if step.error:
        return Panel(title, message=step.error, fault=True)
    if step.points is None:
        return Panel(title, message='no points yet')
    if not np.isfinite(step.points).all():
        text = 'coordinates that are NaN or infinite'
        return Panel(title, message=text, fault=True)
    turned = upright(step.points, up_axis)
    own = frame is None or not _SMALLEST <= filled_share(turned, frame) <= 1
    low, high = step.points.min(axis=0), step.points.max(axis=0)
    middle = np.round((low + high) / 2, 2)
    caption = (
        f'{len(step.points)} points{", own scale" if own else ""}\n'
        + ' x '.join(f'{value:.3g}' for value in high - low)
        + '\nat '
        + ', '.join(f'{value + 0.0:.2f}' for value in middle)
    )
    return _painted(step, up_axis, tints)._replace(
        title=title, caption=caption, frame=fit_frame(turned) if own else frame
    )


def _painted(step: Step, up_axis: str, tints: np.ndarray) -> Panel:
    """Colour the points of a step; add the edges of its boxes."""
    points = np.asarray(step.points)
    if step.boxes is not None:
        # Of more classes than there are colours, some look alike.
        labels = np.asarray(step.labels) % len(tints)
        return box_panel('', points, step.boxes, labels, tints)
    if step.labels is not None:
        return label_panel('', points, step.labels, tints)
    if step.patches is not None:
        return Panel('', points, label_colors(step.patches))
    return Panel('', points, height_colors(points, up_axis))
