"""Curves with error bars, as PNG. They need matplotlib, which MMEngine has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_MARKERS = 'os^Dv*PX'


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
    """Draw curves over a logarithmic axis, and return the picture's path.

    Args:
        curves: Points of each curve by its name, in any order.
        path: The PNG; its folder is made where it is absent.
        x_label: Below the axis.
        y_label: Beside the axis.
        title: Above the picture.
        x_ticks: Places and texts of the ticks; by default all x.

    Raises:
        ValueError: If there is no point, or one that is not right of 0.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    points = [point for curve in curves.values() for point in curve]
    if not points or min(point.x for point in points) <= 0:
        raise ValueError(
            'expected points right of 0, for the axis is logarithmic, got '
            f'{points[:3]}'
        )
    figure = Figure(figsize=(6.4, 4.4), layout='constrained')
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot(
        xlabel=x_label, ylabel=y_label, title=title, xscale='log'
    )
    axes.title.set_fontsize('medium')
    for index, (name, curve) in enumerate(curves.items()):
        ordered = sorted(curve, key=lambda point: point.x)
        bars = [point.std or 0 for point in ordered]
        axes.errorbar(
            [point.x for point in ordered],
            [point.mean for point in ordered],
            yerr=bars,
            marker=_MARKERS[index % len(_MARKERS)],
            capsize=3,
            label=name,
        )
    ticks = x_ticks or {point.x: f'{point.x:g}' for point in points}
    axes.set_xticks(list(ticks), labels=list(ticks.values()))
    axes.set_xticks([], minor=True)
    axes.grid(alpha=0.3)
    axes.legend()
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.print_png(str(path), pil_kwargs=dict(optimize=True))
    return path
