"""Sheets of clouds: panels in rows and columns, with text above each."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .arrays import upright
from .rasterizer import Frame, draw_points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Sizes are in picture elements.
_MARGIN = 6
_LINE = 17
_FONT = 13.5  # points; with the dots below, 12 picture elements
_LETTER = 7.5  # width of a wide one
_INK = (0.18, 0.20, 0.24)
_PALE = (0.41, 0.45, 0.49)
_FAULT = (0.63, 0.16, 0.16)
_EDGE = 100  # points along an edge of a box
# Pairs of corners between which the edges of a box run.
EDGES = [
    *((i, (i + 1) % 4) for i in range(4)),
    *((4 + i, 4 + (i + 1) % 4) for i in range(4)),
    *((i, i + 4) for i in range(4)),
]
# Per inch; a power of two, so that sizes become whole numbers again.
_DPI = 64


class Boxes(NamedTuple):
    """Boxes of a panel; their edges are drawn, and are none of its points.

    Attributes:
        corners: (n, 8, 3), the face below, then the one above.
        colors: (n, 3) in [0, 1].
        scores: (n,), or None.
        min_score: Boxes of lower scores are there for web pages only.
    """

    corners: np.ndarray
    colors: np.ndarray
    scores: np.ndarray | None = None
    min_score: float = 0.0

    def edge_points(self) -> tuple[np.ndarray, np.ndarray]:
        """Place points along the edges: (E, 3), and their colours."""
        seen = np.ones(len(self.corners), dtype=bool)
        if self.scores is not None:
            seen = self.scores >= self.min_score
        edges = self.corners[seen][:, EDGES]  # (n, 12, 2, 3)
        start, end = edges[:, :, :1], edges[:, :, 1:]
        places = start + np.linspace(0, 1, _EDGE)[:, None] * (end - start)
        tint = self.colors[seen].repeat(len(EDGES) * _EDGE, axis=0)
        return places.reshape(-1, 3), tint


class Panel(NamedTuple):
    """One place of a sheet: a cloud, or a message where there is none.

    Attributes:
        title: Text above it; once above the column where all rows agree.
        points: (P, 3), or None.
        colors: (P, 3) in [0, 1].
        caption: More text, below the title.
        frame: What the picture shows; None fits the cloud.
        message: Stands where there are no points.
        fault: Whether the message tells of something wrong.
        boxes: Drawn above the points.
        views: Other colours of the points by name, for web pages.
        patches: The patch of each point, integers (P,), and how alike the
            features of patches are, (G, G) from -1 to 1, for web pages.
    """

    title: str = ''
    points: np.ndarray | None = None
    colors: np.ndarray | None = None
    caption: str = ''
    frame: Frame | None = None
    message: str = ''
    fault: bool = False
    boxes: Boxes | None = None
    views: Mapping[str, np.ndarray] | None = None
    patches: tuple[np.ndarray, np.ndarray] | None = None


def render_sheet(
    rows: Sequence[Sequence[Panel]],
    *,
    up_axis: str = 'y',
    panel: int = 220,
    notes: Sequence[str] = (),
    legend: Mapping[str, Sequence[float]] | None = None,
) -> np.ndarray:
    """Draw panels in rows: (H, W, 3) uint8.

    Args:
        rows: Panels, at least one; rows may differ in length.
        up_axis: 'x', 'y' or 'z'.
        panel: Width and height of one panel.
        notes: Paragraphs below everything.
        legend: Colours in [0, 1] by name, below the panels.
    """
    columns = max(len(row) for row in rows)
    heads = [_common_title(rows, column) for column in range(columns)]
    parts = [_beside([_text(head, panel, bold=True) for head in heads])]
    for row in rows:
        texts, pictures = [], []
        for head, one in zip(heads, row, strict=False):
            title = '' if head else one.title
            text = np.concatenate(
                [_text(title, panel), _text(one.caption, panel, _PALE)]
            )
            texts.append(text)
            pictures.append(_picture(one, up_axis, panel))
        parts += [_beside(texts), _beside(pictures), _white(_MARGIN, 1)]
    width = _MARGIN + columns * (panel + _MARGIN)
    if legend:
        parts.append(_legend(legend, width))
    for note in notes:
        text = _text(note, width - 2 * _MARGIN, _PALE, align='left')
        parts.append(_beside([text]))
    sheet = _white(_MARGIN + sum(map(len, parts)), width)
    top = _MARGIN
    for part in parts:
        sheet[top : top + len(part), : part.shape[1]] = part
        top += len(part)
    return sheet


def draw_sheet(
    rows: Sequence[Sequence[Panel]], path: str | Path, **options: Any
) -> Path:
    """Write panels in rows as a PNG, without a display; return its path.

    Args:
        rows: Panels, at least one.
        path: The file, ending in .png; its folder is made.
        **options: See :func:`render_sheet`.
    """
    from PIL import Image

    sheet = render_sheet(rows, **options)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(path)
    return path


def _common_title(rows: Sequence[Sequence[Panel]], column: int) -> str:
    """Find the title that all panels of a column have.

    There is none where they differ, or where there is one panel alone.
    """
    titles = [row[column].title for row in rows if column < len(row)]
    return titles[0] if len(titles) > 1 and len({*titles}) == 1 else ''


def _white(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 255, np.uint8)


def _beside(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Put pictures side by side, at the same lower edge."""
    height = max(len(one) for one in pictures)
    parts = [_white(height, _MARGIN)]
    for one in pictures:
        above = _white(height - len(one), one.shape[1])
        parts += [np.concatenate([above, one]), _white(height, _MARGIN)]
    return np.concatenate(parts, axis=1)


def _picture(one: Panel, up_axis: str, size: int) -> np.ndarray:
    if one.points is not None and one.colors is not None:
        points, colors = one.points, one.colors
        if one.boxes is not None:
            places, tint = one.boxes.edge_points()
            points = np.concatenate([points, places])
            colors = np.concatenate([colors, tint])
        turned = upright(points, up_axis)
        return draw_points(turned, colors, size, frame=one.frame)
    picture = _white(size, size)
    if one.message:
        picture[[0, -1]] = picture[:, [0, -1]] = 224
        ink = _FAULT if one.fault else _PALE
        text = _text(one.message, size - 4, ink)[: size - 4]
        top = (size - len(text)) // 2
        picture[top : top + len(text), 2:-2] = text
    return picture


def _text(
    text: str,
    width: int,
    color: tuple[float, float, float] = _INK,
    *,
    bold: bool = False,
    align: str = 'center',
) -> np.ndarray:
    """Draw text in lines of this width; without text, a picture of height 0.

    Args:
        text: Long words are broken, what is still too wide is cut.
        width: Of the picture.
        color: Of the text, on white.
        bold: Whether letters are bold.
        align: 'center' or 'left'.
    """
    if not text:
        return _white(0, width)
    letters = max(1, int(width / _LETTER))
    lines = [
        line
        for paragraph in text.split('\n')
        for line in textwrap.wrap(paragraph, letters) or ['']
    ]
    figure = _figure(width, _LINE * len(lines))
    for index, line in enumerate(lines):
        figure.text(
            0 if align == 'left' else 0.5,
            1 - (index + 0.5) / len(lines),
            line,
            color=color,
            size=_FONT,
            weight='bold' if bold else 'normal',
            ha=align,
            va='center_baseline',
            parse_math=False,
        )
    return _rendered(figure)


def _legend(colors: Mapping[str, Sequence[float]], width: int) -> np.ndarray:
    """Draw coloured squares with names beside them."""
    from matplotlib.patches import Patch

    longest = max(len(name) for name in colors)
    columns = max(1, int(width / (_LETTER * longest + 40)))
    lines = -(-len(colors) // columns)
    figure = _figure(width, (_LINE + 4) * lines + 2 * _MARGIN)
    legend = figure.legend(
        handles=[
            Patch(color=tuple(map(float, color)), label=name)
            for name, color in colors.items()
        ],
        loc='center left',
        ncols=columns,
        fontsize=_FONT,
        handlelength=1,
        handleheight=1,
        frameon=False,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return _rendered(figure)


def _figure(width: int, height: int) -> Figure:
    # Not pyplot, which would choose a backend for the whole process.
    from matplotlib.figure import Figure

    return Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)


def _rendered(figure: Figure) -> np.ndarray:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
