"""Reading rows of numbers: ``.txt``, ``.xyz``, ``.pts`` and ``.csv``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import NamedTuple

import numpy as np

from mmdet3d_act.datasets.readers.errors import looks_binary

_COMMENTS = ('#', '//', '%', '!')
_SNIFFED = 65536
# '0 0 0\n' is the shortest row.
_ROW_BYTES = 6
_UNIT = re.compile(r'\s*[\[(].*[\])]$')


class TableLayout(NamedTuple):
    """How the rows of a text file are to be read."""

    columns: list[int]
    width: int
    delimiter: str | None
    decimal_comma: bool


def read_text(path: str) -> np.ndarray:
    """Return the rows of a text file, x, y and z first.

    Blank lines and comments (``#``, ``//``, ``%``, ``!``) are skipped. The
    columns are separated by commas, semicolons, tabs or blanks; between
    semicolons, 0,5 is read as 0.5. A line of names with ``x``, ``y`` and
    ``z`` (in any place, as a comment or not) says which columns these are;
    without one they are the first three. The other columns follow in their
    order, those that are no numbers in the first row are left out. A line
    with one whole number before the rows is their count, which must be
    right; several such blocks are put together.

    Args:
        path: The file.

    Returns:
        (N, 3 + F), float64.

    Raises:
        ValueError: If it is no text, a row does not fit, or the rows are
            not as many as promised.
    """
    with open(path, 'rb') as file:
        head = file.read(_SNIFFED)
    encoding = 'utf-8-sig'
    if head.startswith((b'\xff\xfe', b'\xfe\xff')):
        encoding = 'utf-16'
    elif looks_binary(head):
        raise ValueError('its first bytes are no text')
    size = os.path.getsize(path)
    with open(path, encoding=encoding, errors='replace') as file:
        lines = (line for line in file if line.strip())
        blocks = [_read_block(lines, None, size)]
        while (line := next(lines, None)) is not None:
            blocks.append(_read_block(chain([line], lines), blocks, size))
    return np.concatenate([b for b in blocks if b is not None])


def is_document(path: str) -> bool:
    """Return whether a text is no cloud but words, such as a list of names.

    Args:
        path: The file.

    Returns:
        True where the first line that is no comment begins with no number
        and does not name columns. A binary file is no document, nor is one
        that cannot be opened: these are reported where they are used.
    """
    try:
        with open(path, 'rb') as file:
            head = file.read(1024)
    except OSError:
        return False
    if looks_binary(head):
        return False
    for line in head.decode('utf-8', errors='replace').splitlines():
        text = line.strip()
        if text and not text.startswith(_COMMENTS):
            words = _split(text)[1]
            return not (_is_number(words[0]) or _find_names(text))
    return False


def _read_block(
    lines: Iterator[str], before: list | None, size: int
) -> np.ndarray | None:
    """Return the rows of one block, or None where only comments are left."""
    count, names, row = _read_preamble(lines)
    if row is None:
        if before and count is None:
            return None
        raise ValueError('it has no rows of numbers')
    if before and count is None:
        raise ValueError(
            f'more rows than its count promises, from {_quote(row)} on'
        )
    if count is not None and count * _ROW_BYTES > size + 1:
        raise ValueError(
            f'its count promises {count} points, at least '
            f'{count * _ROW_BYTES} bytes, and the file has {size}'
        )
    layout = _find_layout(row, names)
    rows = islice(chain([row], lines), count)
    if layout.decimal_comma:
        rows = (line.replace(',', '.') for line in rows)
    points = np.loadtxt(
        rows,
        delimiter=layout.delimiter,
        usecols=layout.columns
        if layout.columns != list(range(layout.width))
        else None,
        comments='#',
        quotechar='"',
        ndmin=2,
    )
    if count is not None and len(points) != count:
        raise ValueError(
            f'truncated: its count promises {count} points, {len(points)} '
            'follow'
        )
    return points


def _read_preamble(
    lines: Iterator[str],
) -> tuple[int | None, list[str], str | None]:
    """Return count, names of columns and first row of what comes next."""
    count, names = None, []
    for line in lines:
        text = line.strip()
        marker = next((m for m in _COMMENTS if text.startswith(m)), None)
        if marker:
            names = _find_names(text.lstrip(marker)) or names
            continue
        fields = _split(text)[1]
        if len(fields) == 1 and fields[0].isdecimal() and count is None:
            count = int(fields[0])
        elif _find_names(text):
            names = _find_names(text)
        elif sum(map(_is_number, fields)) >= 3:
            return count, names, line
        else:
            raise ValueError(
                'expected three numbers or more in a row, a comment (#), or '
                f'names of columns with x, y and z, got {_quote(text)}'
            )
    return count, names, None


def _find_layout(row: str, names: list[str]) -> TableLayout:
    delimiter, fields = _split(row.strip())
    comma = delimiter == ';' and any(',' in field for field in fields)
    numeric = [i for i, f in enumerate(fields) if _is_number(f)]
    axes = [0, 1, 2]
    if len(names) == len(fields):
        axes = [names.index(axis) for axis in 'xyz']
    elif names and names[:3] != ['x', 'y', 'z']:
        raise ValueError(
            f'{len(names)} columns have names, {names}, and the first row '
            f'has {len(fields)}, {_quote(row)}'
        )
    if not set(axes) <= set(numeric):
        raise ValueError(
            f'expected numbers in columns {[a + 1 for a in axes]} (x, y and '
            f'z), got {_quote(row)}'
        )
    columns = axes + [i for i in numeric if i not in axes]
    return TableLayout(columns, len(fields), delimiter, comma)


def _find_names(text: str) -> list[str]:
    """Return the names of columns in a line, none without x, y and z."""
    names = [_UNIT.sub('', name).lower() for name in _split(text.strip())[1]]
    return names if {'x', 'y', 'z'} <= set(names) else []


def _split(text: str) -> tuple[str | None, list[str]]:
    """Return the delimiter of a row, None for blanks, and its fields."""
    for delimiter in (';', ',', '\t'):
        if text.count(delimiter) >= 2:
            fields = text.split(delimiter)
            return delimiter, [field.strip().strip('"') for field in fields]
    return None, text.split()


def _is_number(field: str) -> bool:
    try:
        float(field.replace(',', '.'))
    except ValueError:
        return False
    return True


def _quote(text: str) -> str:
    return repr(text.strip()[:60])
