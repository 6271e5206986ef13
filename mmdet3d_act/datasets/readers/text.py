"""Reading rows of numbers: ``.txt``, ``.xyz``, ``.pts`` and ``.csv``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import NamedTuple

import numpy as np

from mmdet3d_act.datasets.readers.errors import looks_binary

_COMMENTS = ('#', '//', '%', '!')
_SNIFFED = 65536
# '0 0 0\n' is the shortest row.
_ROW_BYTES = 6
_UNIT = re.compile(r'\s*[\[(].*[\])]$')
# As Windows writes it: -nan(ind), 1.#IND, -1.#QNAN.
_NAN = re.compile(r'[+-]?(nan(\(\w*\))?|1\.#\w+)$', re.IGNORECASE)


class TableLayout(NamedTuple):
    """How the rows of a text file are to be read.

    Attributes:
        columns: Numbers of the columns to take, x, y and z first.
        width: Number of columns that there are.
        delimiter: What separates them, None for blanks.
    """

    columns: list[int]
    width: int
    delimiter: str | None


def read_text(path: str) -> np.ndarray:
    """Read the rows of a text file, x, y and z first.

    Blank lines and comments (``#``, ``//``, ``%``, ``!``) are skipped. The
    columns are separated by commas, semicolons, tabs or blanks; between
    semicolons, 0,5 is read as 0.5. A line of names with ``x``, ``y`` and
    ``z`` (in any place, as a comment or not) says which columns these are;
    without one they are the first three. The other columns follow in their
    order; those that are no numbers in the first row are left out, and cells
    that are none later become NaN. A line with one whole number before the
    rows is their count, which must be right; several such blocks are put
    together.

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
        blocks = [_read_block(lines, False, size)]
        while (line := next(lines, None)) is not None:
            blocks.append(_read_block(chain([line], lines), True, size))
    return np.concatenate([b for b in blocks if b is not None])


def is_document(path: str) -> bool:
    """Tell whether a text is no cloud but words, such as a list of names.

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


def parse_rows(lines: Iterable[str], layout: TableLayout) -> np.ndarray:
    """Turn rows of text into numbers.

    Args:
        lines: The rows, without blank lines.
        layout: How they are to be read.

    Returns:
        (N, number of the layout's columns), float64. Cells that are no
        numbers are NaN, but for the first three columns.

    Raises:
        ValueError: If a row has another number of columns, or no numbers in
            the first three.
    """
    lines = list(lines)
    if layout.delimiter == ';':
        lines = [line.replace(',', '.') for line in lines]
    takes_all = layout.columns == list(range(layout.width))
    delimiter = layout.delimiter
    if delimiter == '\t' and len(lines[0].split()) == layout.width:
        delimiter = None  # reads rows that end in a tab, too
    try:
        return np.loadtxt(
            lines,
            delimiter=delimiter,
            usecols=None if takes_all else layout.columns,
            comments='#',
            quotechar='"',
            ndmin=2,
        )
    except ValueError:
        # Slower, for rows with empty cells, words, or a delimiter at the end.
        return np.array([_parse_row(line, layout) for line in lines])


def _parse_row(line: str, layout: TableLayout) -> list[float]:
    fields = _fields(line.partition('#')[0], layout.delimiter)
    while len(fields) > layout.width and not fields[-1]:
        fields.pop()
    if len(fields) != layout.width:
        raise ValueError(
            f'the number of columns changed from {layout.width} to '
            f'{len(fields)} at {_quote(line)}'
        )
    values = [_to_number(fields[column]) for column in layout.columns]
    if None in values[:3]:
        raise ValueError(f'expected numbers x, y and z, got {_quote(line)}')
    return [np.nan if value is None else value for value in values]


def _read_block(
    lines: Iterator[str], is_later: bool, size: int
) -> np.ndarray | None:
    """Read the rows of one block; None where only comments are left."""
    count, names, row = _read_preamble(lines)
    if is_later and count is None:
        if row is None:
            return None
        raise ValueError(
            f'more rows than its count promises, from {_quote(row)} on'
        )
    if row is None:
        raise ValueError('it has no rows of numbers')
    if count is not None and not 0 < count * _ROW_BYTES <= size + 1:
        raise ValueError(
            f'its count promises {count} points, at least '
            f'{count * _ROW_BYTES} bytes, and the file has {size}'
        )
    rows = (line for line in lines if not line.lstrip().startswith(_COMMENTS))
    points = parse_rows(
        islice(chain([row], rows), count), _find_layout(row, names)
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
    """Read count, names of columns and first row of what comes next."""
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
    text = row.partition('#')[0]
    delimiter, fields = _split(text)
    if len(_fields(text, delimiter)) >= len(names) > len(fields):
        # The last cells of the first row are empty.
        fields += [''] * (len(names) - len(fields))
    numeric = [i for i, f in enumerate(fields) if not f or _is_number(f)]
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
    return TableLayout(columns, len(fields), delimiter)


def _find_names(text: str) -> list[str]:
    """Find the names of columns in a line, none without x, y and z."""
    names = [_UNIT.sub('', name).lower() for name in _split(text.strip())[1]]
    return names if {'x', 'y', 'z'} <= set(names) else []


def _split(text: str) -> tuple[str | None, list[str]]:
    """Find the delimiter of a row, None for blanks, and split it."""
    for delimiter in (';', ',', '\t'):
        if text.count(delimiter) >= 2:
            fields = _fields(text, delimiter)
            while not fields[-1] and len(fields) > 1:
                fields.pop()
            return delimiter, fields
    return None, text.split()


def _fields(text: str, delimiter: str | None) -> list[str]:
    text = text.strip(None if delimiter is None else ' \r\n')
    return [field.strip().strip('"') for field in text.split(delimiter)]


def _is_number(field: str) -> bool:
    return _to_number(field) is not None


def _to_number(field: str) -> float | None:
    if _NAN.match(field):
        return np.nan
    try:
        return float(field.replace(',', '.'))
    except ValueError:
        return None


def _quote(text: str) -> str:
    return repr(text.strip()[:60])
