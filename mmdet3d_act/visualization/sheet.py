"""Pictures with captions, put together in rows and columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

MARGIN = 6  # in picture elements, as all sizes here
LINE = 22  # height of a line of text that stands alone
STEP = 16  # from one line of text to the next
INK = (45, 52, 60)
_PALE = (104, 114, 125)
_FAULT = (160, 40, 40)
_FRAME = (222, 226, 230)


class Cell(NamedTuple):
    """One place of a sheet: text above, and a picture or a message.

    Attributes:
        lines: Text above the picture, cut where it is too wide.
        picture: (S, S, 3) uint8, or None.
        message: Stands in a frame where there is no picture.
        fault: Whether the message tells of something wrong.
    """

    lines: tuple[str, ...] = ()
    picture: np.ndarray | None = None
    message: str = ''
    fault: bool = False


def compose_sheet(
    rows: Sequence[Sequence[Cell]],
    size: int,
    *,
    heads: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Image:
    """Return one picture with the cells in rows.

    Args:
        rows: Cells; rows may differ in length.
        size: Width and height of a cell's picture.
        heads: Titles of the columns, once at the top.
        notes: Lines of text below everything, wrapped to the width.
    """
    from PIL import Image, ImageDraw

    columns = max(len(row) for row in rows)
    width = columns * (size + MARGIN) + MARGIN
    lines = [max(len(cell.lines) for cell in row) for row in rows]
    texts = [LINE + STEP * (count - 1) if count else 0 for count in lines]
    top = LINE if any(heads) else 0
    measure = ImageDraw.Draw(Image.new('RGB', (1, 1)))
    foot = [
        line
        for note in notes
        for line in _wrapped(note, width - 2 * MARGIN, measure)
    ]
    height = top + sum(texts) + len(rows) * (size + MARGIN) + MARGIN
    height += STEP * len(foot) + (MARGIN if foot else 0)
    sheet = Image.new('RGB', (width, height), (255, 255, 255))
    pen = ImageDraw.Draw(sheet)
    for column, head in enumerate(heads):
        x = MARGIN + column * (size + MARGIN) + size / 2
        _write(pen, head, (x, MARGIN + LINE / 2), size, INK, bold=True)
    y = MARGIN + top
    for row, text in zip(rows, texts, strict=True):
        for column, cell in enumerate(row):
            x = MARGIN + column * (size + MARGIN)
            _put(sheet, pen, cell, (x, y, text), size)
        y += text + size + MARGIN
    for line in foot:
        pen.text((MARGIN, y + STEP / 2), line, _PALE, _font(12), anchor='lm')
        y += STEP
    return sheet


def _put(
    sheet: Image,
    pen: ImageDraw,
    cell: Cell,
    place: tuple[int, int, int],
    size: int,
) -> None:
    """Draw one cell; its place is left, top and the height of its text."""
    x, y, text = place
    for index, line in enumerate(cell.lines):
        middle = (x + size / 2, y + LINE / 2 + STEP * index)
        ink = _PALE if index else INK
        _write(pen, line, middle, size, ink)
    y += text
    if cell.picture is not None:
        from PIL import Image

        sheet.paste(Image.fromarray(cell.picture), (x, y))
    elif cell.message:
        pen.rectangle((x, y, x + size - 1, y + size - 1), outline=_FRAME)
        lines = _wrapped(cell.message, size - 2 * MARGIN, pen)
        room = (size - 2 * MARGIN) // STEP
        first = y + (size - STEP * min(len(lines), room)) / 2 + STEP / 2
        ink = _FAULT if cell.fault else _PALE
        for index, line in enumerate(lines[:room]):
            middle = (x + size / 2, first + STEP * index)
            pen.text(middle, line, ink, _font(12), anchor='mm')


def _font(size: int) -> Any:  # noqa: ANN401
    """Return Pillow's own font, which needs no file of the system."""
    from PIL import ImageFont

    return ImageFont.load_default(size=size)


def _write(
    pen: ImageDraw,
    text: str,
    middle: tuple[float, float],
    width: int,
    ink: tuple[int, int, int],
    *,
    bold: bool = False,
) -> None:
    """Write a line around its middle, cut with dots where it is too wide."""
    font = _font(13)
    if pen.textlength(text, font=font) > width:
        while text and pen.textlength(text + '...', font=font) > width:
            text = text[:-1]
        text += '...'
    pen.text(
        middle,
        text,
        ink,
        font,
        anchor='mm',
        stroke_width=0.3 if bold else 0,
    )


def _wrapped(text: str, width: int, pen: ImageDraw) -> list[str]:
    """Return the text in lines of this width; long words are broken."""
    font = _font(12)
    lines: list[str] = []
    for paragraph in text.split('\n'):
        lines.append('')
        for word in paragraph.split():
            joined = f'{lines[-1]} {word}'.strip()
            if pen.textlength(joined, font=font) <= width:
                lines[-1] = joined
                continue
            if lines[-1]:
                lines.append('')
            for letter in word:
                if pen.textlength(lines[-1] + letter, font=font) > width:
                    lines.append('')
                lines[-1] += letter
    return lines
