"""Contact sheets of pipelines: a row per sample, a column per transform."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmdet3d_act.wording import counted

from .arrays import PALETTE, prepare_path, to_colors, upright
from .html import write_html
from .rasterizer import Frame, draw_points, filled_share, fit_frame
from .scenes import box_panel, class_colors, label_panel
from .sheet import Cell, compose_sheet

if TYPE_CHECKING:
    from mmdet3d_act.visualization.browsing import Step, Trace

# A cloud that fills less of its panel is drawn on a scale of its own, as one
# that would be cut off is.
_SMALLEST = 0.25
_NOTE = (
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


def draw_traces(
    traces: Sequence[Trace],
    path: str | Path,
    *,
    classes: Sequence[str] = (),
    palette: Sequence[Sequence[float]] | None = None,
    up_axis: str = 'y',
    panel: int = 170,
) -> Path:
    """Write what transforms make of samples as a PNG and return its path.

    Args:
        traces: The rows, see
            :func:`~mmdet3d_act.visualization.browsing.trace_sample`.
        path: The file, ending in .png; its folder is made.
        classes: Names of the labels.
        palette: Colours of the classes, RGB from 0 to 255; None takes ours.
        up_axis: 'x', 'y' or 'z'.
        panel: Width and height of one picture.

    Raises:
        ValueError: If there is no trace.
    """
    out = prepare_path(path, '.png')
    frame = _common_frame(traces, up_axis)
    tints = class_colors(len(classes) or len(PALETTE), palette)
    rows = [
        [
            Cell(message=_describe(trace, classes)),
            *(
                _cell(step, frame, up_axis, panel, tints)
                for step in trace.steps
            ),
        ]
        for trace in traces
    ]
    titles = {tuple(map(_title, t.steps)) for t in traces if not _failed(t)}
    heads: tuple[str, ...] = ()
    if len(titles) == 1:
        heads = ('', *titles.pop())
        rows = [
            [cell._replace(lines=cell.lines[1:]) for cell in row]
            for row in rows
        ]
    sheet = compose_sheet(rows, panel, heads=heads, notes=[_NOTE])
    sheet.save(out)
    return out


def write_traces_html(
    traces: Sequence[Trace],
    path: str | Path,
    *,
    up_axis: str = 'y',
) -> Path:
    """Write a web page with the clouds of all steps; return its path.

    Args:
        traces: The rows, see
            :func:`~mmdet3d_act.visualization.browsing.trace_sample`.
        path: The file, ending in .html; its folder is made.
        up_axis: 'x', 'y' or 'z'.

    Raises:
        ValueError: If there is no cloud.
    """
    shown = [
        (f'{trace.name}, epoch {trace.epoch}: {_title(step)}', step)
        for trace in traces
        for step in trace.steps
        if step.points is not None
    ]
    return write_html(
        [step.points for _, step in shown],
        path,
        titles=[title for title, _ in shown],
        colors=[step.patches for _, step in shown],
        columns=max(len(trace.steps) for trace in traces) if shown else None,
        up_axis=up_axis,
        heading='What the model is fed',
    )


def _failed(trace: Trace) -> bool:
    return bool(trace.steps) and bool(trace.steps[-1].error)


def _title(step: Step) -> str:
    return f'\u00b7 {step.title}' if step.static else step.title


def _describe(trace: Trace, classes: Sequence[str]) -> str:
    """Return what stands at the beginning of a row."""
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
    """Return the view on all that the model is fed, None where nothing is."""
    if not traces:
        raise ValueError('traces must hold at least one, got none')
    fed = [trace.steps[-1].points for trace in traces if trace.steps]
    fed = [p for p in fed if p is not None and np.isfinite(p).all()]
    if not fed:
        return None
    return fit_frame(upright(np.concatenate(fed), up_axis))


def _cell(
    step: Step,
    frame: Frame | None,
    up_axis: str,
    panel: int,
    class_tints: np.ndarray,
) -> Cell:
    title = _title(step)
    if step.error:
        return Cell((title,), message=step.error, fault=True)
    if step.points is None:
        return Cell((title,), message='no points yet')
    if not np.isfinite(step.points).all():
        text = 'coordinates that are NaN or infinite'
        return Cell((title,), message=text, fault=True)
    turned = upright(step.points, up_axis)
    own = frame is None or not _fits(turned, frame)
    shown, colors = _paint(step, up_axis, class_tints)
    picture = draw_points(
        upright(shown, up_axis),
        colors,
        panel,
        frame=fit_frame(turned) if own else frame,
    )
    low, high = step.points.min(axis=0), step.points.max(axis=0)
    middle = np.round((low + high) / 2, 2)
    lines = (
        title,
        f'{len(step.points)} points{", own scale" if own else ""}',
        ' x '.join(f'{value:.3g}' for value in high - low),
        'at ' + ', '.join(f'{value + 0.0:.2f}' for value in middle),
    )
    return Cell(lines, picture)


def _paint(
    step: Step, up_axis: str, class_tints: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of a step, with edges of boxes, and their colours."""
    if step.labels is None:
        return step.points, to_colors(step.patches, step.points, up_axis)
    if step.boxes is None:
        one = label_panel('', step.points, step.labels, class_tints)
    else:
        # Of more classes than there are colours, some look alike.
        labels = step.labels % len(class_tints)
        one = box_panel('', step.points, step.boxes, labels, class_tints)
    return one.points, one.colors


def _fits(points: np.ndarray, frame: Frame) -> bool:
    """Return whether a cloud is seen well in a frame."""
    return _SMALLEST <= filled_share(points, frame) <= 1
