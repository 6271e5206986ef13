"""Reading rows of numbers: ``.txt``, ``.xyz``, ``.pts`` and ``.csv``."""

from __future__ import annotations

import io
import re
from itertools import islice
from typing import BinaryIO, NamedTuple

import numpy as np

from mmdet3d_act.datasets.readers.arrays import Columns
from mmdet3d_act.datasets.readers.errors import looks_binary

_COMMENTS = ('#', '//', '%', '!')
_SNIFFED = 65536
_UNIT = re.compile(r'\s*[\[(].*[\])]$')
# As Windows writes it: -nan(ind), 1.#IND, -1.#QNAN.
_NAN = re.compile(r'[+-]?(nan(\(\w*\))?|1\.#\w+)$', re.IGNORECASE)


class TableLayout(NamedTuple):
    """How the rows of a text file are to be read.

    Attributes:
        columns: Numbers of the columns to take, x, y and z first.
        width: Number of columns that there are.
        delimiter: What separates them, None for blanks.
        names: Of the columns behind x, y and z, where a line tells them.
    """

    columns: list[int]
    width: int
    delimiter: str | None
    names: tuple[str, ...] = ()


def read_text(path: str, max_rows: int | None = None) -> Columns:
    """Read the rows of a text file, (N, 3 + F), x, y and z first.

    Blank lines and comments (``#``, ``//``, ``%``, ``!``) are skipped. The
    columns are separated by commas, semicolons, tabs or blanks; between
    semicolons, 0,5 is read as 0.5. A line of names with ``x``, ``y`` and
    ``z`` (in any place, as a comment or not) says which columns these are;
    without one they are the first three. The other columns follow in their
    order; those that are no numbers in the first row are left out, and cells
    that are none later become NaN. A line with one whole number before the
    rows is their count, which must be right.
    """
    with open(path, 'rb') as file:
        head = file.read(_SNIFFED)
    encoding = 'utf-8-sig'
    if head.startswith((b'\xff\xfe', b'\xfe\xff')):
        encoding = 'utf-16'
    elif looks_binary(head):
        raise ValueError('its first bytes are no text')
    with open(path, encoding=encoding, errors='replace') as file:
        lines = [line for line in islice(file, max_rows) if line.strip()]
    count, names, start = _read_preamble(lines)
    rows = [
        line
        for line in lines[start:]
        if not line.lstrip().startswith(_COMMENTS)
    ]
    layout = _find_layout(rows[0], names)
    if max_rows is None and count not in (None, len(rows)):
        raise ValueError(
            f'its count promises {count} points, {len(rows)} follow'
        )
    return Columns(parse_rows(rows, layout), layout.names)


def is_document(path: str) -> bool:
    """Tell whether a text is no cloud but words, such as a list of names.

    Its first line that is no comment begins with no number and names no
    columns. Binary files and those that cannot be opened are none: they are
    reported where they are used.
    """
    try:
        with open(path, 'rb') as file:
            head = file.read(1024)
    except OSError:
        return False
    lines = head.decode('utf-8', errors='replace').splitlines()
    texts = (line.strip() for line in lines)
    first = next((t for t in texts if t and not t.startswith(_COMMENTS)), '')
    if not first or looks_binary(head):
        return False
    return not (_is_number(_split(first)[1][0]) or _find_names(first))


def parse_rows(lines: list[str], layout: TableLayout) -> np.ndarray:
    """Turn rows of text into numbers, float64, a column of the layout each.

    Cells that are no numbers become NaN, but for the first three columns.
    """
    if not lines:
        return np.empty((0, len(layout.columns)))
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


def read_table(file: BinaryIO, kind: np.dtype, count: int) -> np.ndarray:
    """Read the rows of numbers that follow a header, (count,).

    Args:
        file: The file, behind its header.
        kind: Type of a row, whose fields are all float64.
        count: Number of rows; what follows them is not read.
    """
    text = io.TextIOWrapper(file, encoding='latin-1')
    lines = list(islice((line for line in text if line.strip()), count))
    width = kind.itemsize // 8
    rows = parse_rows(lines, TableLayout(list(range(width)), width, None))
    if len(rows) != count:
        raise ValueError(
            f'truncated: its header promises {count} rows, {len(rows)} follow'
        )
    return np.ascontiguousarray(rows).view(kind)[:, 0]


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


def _read_preamble(lines: list[str]) -> tuple[int | None, list[str], int]:
    """Find count, names of columns and the first row's place."""
    count, names = None, []
    for place, line in enumerate(lines):
        text = line.strip()
        if found := _find_names(text.lstrip('#/%! ')):
            names = found
        elif text.startswith(_COMMENTS):
            continue
        elif text.isdecimal() and count is None:
            count = int(text)
        elif sum(map(_is_number, _split(text)[1])) >= 3:
            return count, names, place
        else:
            raise ValueError(
                'expected three numbers or more in a row, a comment (#), or '
                f'names of columns with x, y and z, got {_quote(text)}'
            )
    raise ValueError('it has no rows of numbers')


def _find_layout(row: str, names: list[str]) -> TableLayout:
    text = row.partition('#')[0]
    delimiter, fields = _split(text)
    if len(_fields(text, delimiter)) >= len(names) > len(fields):
        # The last cells of the first row are empty.
        fields += [''] * (len(names) - len(fields))
    numeric = [i for i, f in enumerate(fields) if not f or _is_number(f)]
    axes = [0, 1, 2]
    are_named = len(names) == len(fields)
    if are_named:
        axes = [names.index(axis) for axis in 'xyz']
    elif names and names[:3] != ['x', 'y', 'z']:
        raise ValueError(
            f'{len(names)} columns have names, {names}, and the first row '
            f'has {len(fields)}, {_quote(row)}'
        )
    others = [i for i in numeric if i not in axes]
    named = tuple(names[i] for i in others) if are_named else ()
    return TableLayout(axes + others, len(fields), delimiter, named)


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
