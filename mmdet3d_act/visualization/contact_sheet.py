"""Contact sheets of pipelines: a row per sample, a column per transform."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .arrays import prepare_path, to_colors, upright
from .html import write_html
from .rasterizer import Frame, draw_points, filled_share, fit_frame
from .sheet import Cell, compose_sheet

if TYPE_CHECKING:
    from mmdet3d_act.datasets.browsing import Step, Trace

# A cloud that fills less of its panel is drawn on a scale of its own, as one
# that would be cut off is.
_SMALLEST = 0.25
_NOTE = (
    'Numbers: extent of the cloud and middle of its box, along x, y, z. All '
    'panels have the same scale and place but for those on their own scale. '
    'Grouped clouds have a colour per patch (grey: in no patch), others are '
    'coloured by height. A dot before a name: static pipeline, the same in '
    'every epoch.'
)


def draw_traces(
    traces: Sequence[Trace],
    path: str | Path,
    *,
    classes: Sequence[str] = (),
    up_axis: str = 'y',
    panel: int = 170,
) -> Path:
    """Write what transforms make of samples as a PNG and return its path.

    Args:
        traces: The rows, see
            :func:`~mmdet3d_act.datasets.browsing.trace_sample`.
        path: The file, ending in .png; its folder is made.
        classes: Names of the labels.
        up_axis: 'x', 'y' or 'z'.
        panel: Width and height of one picture.

    Raises:
        ValueError: If there is no trace.
    """
    out = prepare_path(path, '.png')
    frame = _common_frame(traces, up_axis)
    rows = [
        [
            Cell(message=_describe(trace, classes)),
            *(_cell(step, frame, up_axis, panel) for step in trace.steps),
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
            :func:`~mmdet3d_act.datasets.browsing.trace_sample`.
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
    if trace.label is not None:
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


def _cell(step: Step, frame: Frame | None, up_axis: str, panel: int) -> Cell:
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
    colors = to_colors(step.patches, step.points, up_axis)
    picture = draw_points(
        turned, colors, panel, frame=fit_frame(turned) if own else frame
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


def _fits(points: np.ndarray, frame: Frame) -> bool:
    """Return whether a cloud is seen well in a frame."""
    return _SMALLEST <= filled_share(points, frame) <= 1
