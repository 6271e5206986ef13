"""Confusion matrices and curves, by matplotlib."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .arrays import PALETTE

# Beyond so many classes the cells are too small for numbers.
_NUMBERED = 20
_MARKERS = 'os^Dv*PX'


def draw_confusion(
    counts: np.ndarray, classes: Sequence[str], path: str | Path
) -> Path:
    """Write a confusion matrix as a PNG and return its path.

    Cells are coloured by the share of their row. Classes without a sample
    and without a prediction are left out.

    Args:
        counts: (C, C), rows true, columns predicted.
        classes: C names.
        path: The file, ending in .png; its folder is made.
    """
    # Not pyplot, which would choose a backend for the whole process.
    from matplotlib.figure import Figure

    used = np.flatnonzero(counts.sum(0) + counts.sum(1))
    left_out = len(classes) - len(used)
    counts = counts[np.ix_(used, used)]
    classes = [classes[index] for index in used]
    totals = counts.sum(1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    side = 2.5 + 0.3 * len(classes)
    figure = Figure(figsize=(side + 1, side), layout='constrained')
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap='Blues', vmin=0, vmax=1)
    figure.colorbar(image, label='share of the true class', shrink=0.6)
    ticks = range(len(classes))
    axes.set_xticks(ticks, classes, rotation=90, fontsize=8)
    axes.set_yticks(ticks, classes, fontsize=8)
    axes.set_xlabel('predicted')
    axes.set_ylabel('true')
    right, total = int(np.trace(counts)), int(counts.sum())
    title = f'{right} of {total} right ({100 * right / max(total, 1):.2f} %)'
    if left_out:
        title += f'\n{left_out} classes that do not occur'
    axes.set_title(title, fontsize=10)
    if len(classes) <= _NUMBERED:
        for row, column in np.argwhere(counts > 0):
            ink = 'white' if shares[row, column] > 0.5 else 'black'
            axes.text(
                column, row, str(counts[row, column]), color=ink,
                ha='center', va='center', fontsize=8,
            )  # fmt: skip
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path


def write_confusion(
    counts: np.ndarray, classes: Sequence[str], path: str | Path
) -> Path:
    """Write a confusion matrix as a table and return its path.

    The first row has the predicted classes, the first column the true ones.

    Args:
        counts: (C, C), rows true, columns predicted.
        classes: C names.
        path: The file, ending in .csv; its folder is made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(['true / predicted', *classes])
        for name, row in zip(classes, counts.tolist(), strict=True):
            writer.writerow([name, *row])
    return path


class CurvePoint(NamedTuple):
    """A point of a curve.

    Attributes:
        x: Where it is, > 0.
        mean: Its height.
        std: Half the length of its error bar; None draws none.
    """

    x: float
    mean: float
    std: float | None = None


def draw_curves(
    curves: Mapping[str, Sequence[CurvePoint]],
    path: str | Path,
    *,
    x_label: str,
    y_label: str,
    title: str = '',
    x_ticks: Mapping[float, str] | None = None,
) -> Path:
    """Draw curves with error bars over a logarithmic axis; return the path.

    Args:
        curves: Points of each curve by its name, in any order.
        path: The PNG; its folder is made.
        x_label: Below the axis.
        y_label: Beside the axis.
        title: Above the picture.
        x_ticks: Places and texts of the ticks; by default all x.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout='constrained')
    axes = figure.add_subplot(
        xlabel=x_label, ylabel=y_label, title=title, xscale='log'
    )
    axes.title.set_fontsize('medium')
    for index, (name, curve) in enumerate(curves.items()):
        ordered = sorted(curve, key=lambda point: point.x)
        axes.errorbar(
            [point.x for point in ordered],
            [point.mean for point in ordered],
            yerr=[point.std or 0 for point in ordered],
            marker=_MARKERS[index % len(_MARKERS)],
            capsize=3,
            label=name,
        )
    places = {point.x for curve in curves.values() for point in curve}
    ticks = x_ticks or {x: f'{x:g}' for x in sorted(places)}
    axes.set_xticks(list(ticks), labels=list(ticks.values()))
    axes.set_xticks([], minor=True)
    axes.grid(alpha=0.3)
    axes.legend()
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path


def curves_svg(
    charts: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]],
) -> str:
    """Draw charts of curves beside each other, as SVG to put into a page.

    Text and axes take the colour of the page's text.

    Args:
        charts: By title, pairs (x, y) by the name of each curve.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    columns = min(3, len(charts))
    lines = -(-len(charts) // columns)
    # Text stays text; equal charts are equal files.
    with rc_context({'svg.fonttype': 'none', 'svg.hashsalt': 'curves'}):
        size = (4.4 * columns, 2.8 * lines)
        figure = Figure(figsize=size, layout='constrained')
        figure.patch.set_alpha(0)
        places = figure.subplots(lines, columns, squeeze=False).flat
        for title, axes in zip(charts, places, strict=False):
            for index, (name, pairs) in enumerate(charts[title].items()):
                x, y = zip(*pairs, strict=True)
                color = PALETTE[index % len(PALETTE)]
                marker = 'o' if len(x) < 2 else None
                axes.plot(x, y, label=name, color=color, marker=marker)
            axes.set_title(title, fontsize=10)
            axes.patch.set_alpha(0)
            axes.grid(alpha=0.3)
            axes.legend(fontsize=8, framealpha=0)
        for axes in places:
            axes.set_axis_off()
        text = StringIO()
        none = dict.fromkeys(('Creator', 'Date', 'Format', 'Type'))
        figure.savefig(text, format='svg', metadata=none)
    found = text.getvalue()
    found = found[found.index('<svg') :].replace('#000000', 'currentColor')
    return found.replace('<text ', '<text fill="currentColor" ')
