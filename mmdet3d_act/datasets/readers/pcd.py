"""Reading ``.pcd`` files of the Point Cloud Library."""

from __future__ import annotations

import io
import os
from itertools import islice
from typing import BinaryIO, NamedTuple

import numpy as np

from mmdet3d_act.datasets.readers.arrays import stack_fields
from mmdet3d_act.datasets.readers.text import TableLayout, parse_rows

_MAX_HEADER_LINES = 100
_KINDS = {
    **{('F', size): f'<f{size}' for size in (2, 4, 8)},
    **{('I', size): f'<i{size}' for size in (1, 2, 4, 8)},
    **{('U', size): f'<u{size}' for size in (1, 2, 4, 8)},
}
# The longest match of LZF is 264 bytes, from 3.
_MAX_LZF_RATIO = 88


class PcdHeader(NamedTuple):
    """What a PCD header promises: fields, number of points, encoding."""

    fields: list[tuple[str, str, int]]
    count: int
    encoding: str

    @property
    def row(self) -> np.dtype:
        """Type of one point in binary form."""
        return np.dtype([(n, kind, (c,)) for n, kind, c in self.fields])


def read_pcd(path: str) -> np.ndarray:
    """Read the points of a PCD file: ascii, binary or binary_compressed.

    Points whose x, y or z is NaN are left out: this is how an organised
    cloud marks the pixels without a measurement. Packed colours (``rgb``,
    ``rgba``) become three columns from 0 to 255. Padding (``_``) is left
    out. The viewpoint is not applied.

    Args:
        path: The file.

    Returns:
        (N, 3 + F): x, y, z, then the other fields in their order.

    Raises:
        ValueError: If it is no PCD file, or is truncated.

    Source: https://pointclouds.org/documentation/tutorials/pcd_file_format
    """
    with open(path, 'rb') as file:
        header = _read_header(file)
        left = os.path.getsize(path) - file.tell()
        _check_length(header, left)
        if header.encoding == 'ascii':
            table = _read_ascii(file, header)
        elif header.encoding == 'binary':
            data = file.read(header.count * header.row.itemsize)
            table = np.frombuffer(data, header.row)
        else:
            table = _read_compressed(file, header, left)
    points = stack_fields(_flatten(table))
    return points[~np.isnan(points[:, :3]).any(axis=1)]


def _read_header(file: BinaryIO) -> PcdHeader:
    entries: dict[str, list[str]] = {}
    for _ in range(_MAX_HEADER_LINES):
        words = file.readline(2**16).decode('latin-1').split()
        if words and not words[0].startswith('#'):
            entries[words[0].upper()] = words[1:]
        if 'DATA' in entries:
            break
    missing = {'FIELDS', 'SIZE', 'TYPE', 'DATA'} - entries.keys()
    if missing:
        raise ValueError(f'its header has no {sorted(missing)}')
    names = entries['FIELDS']
    counts = entries.get('COUNT', ['1'] * len(names))
    rows = list(
        zip(names, entries['TYPE'], entries['SIZE'], counts, strict=True)
    )
    fields = []
    for index, (name, kind, size, repeats) in enumerate(rows):
        if (kind.upper(), int(size)) not in _KINDS or int(repeats) < 1:
            raise ValueError(f'its header has the field {rows[index]}')
        # Padding may come several times; fields need names of their own.
        name = f'_{index}' if name == '_' else name
        fields.append((name, _KINDS[kind.upper(), int(size)], int(repeats)))
    width = int(''.join(entries.get('WIDTH', '1')))
    height = int(''.join(entries.get('HEIGHT', '1')))
    count = int(''.join(entries.get('POINTS', str(width * height))))
    encoding = ''.join(entries['DATA']).lower()
    if count < 0 or encoding not in ('ascii', 'binary', 'binary_compressed'):
        raise ValueError(f'its header has {count} points as {encoding!r}')
    return PcdHeader(fields, count, encoding)


def _check_length(header: PcdHeader, left: int) -> None:
    least = header.count * header.row.itemsize
    if header.encoding == 'ascii':
        # The last row may lack its line break.
        numbers = sum(repeats for _, _, repeats in header.fields)
        least = 2 * header.count * numbers - 1
    elif header.encoding == 'binary_compressed':
        least = 8 + least // _MAX_LZF_RATIO
    if least > left:
        raise ValueError(
            f'truncated: its header promises {header.count} points '
            f'({header.encoding}), at least {least} bytes, and {left} follow'
        )


def _read_ascii(file: BinaryIO, header: PcdHeader) -> np.ndarray:
    kinds = [(n, 'f8', (repeats,)) for n, _, repeats in header.fields]
    if header.count == 0:
        return np.empty(0, kinds)
    width = sum(repeats for _, _, repeats in header.fields)
    text = io.TextIOWrapper(file, encoding='latin-1')
    lines = islice((line for line in text if line.strip()), header.count)
    rows = parse_rows(lines, TableLayout(list(range(width)), width, None))
    if len(rows) != header.count:
        raise ValueError(
            f'truncated: its header promises {header.count} points, '
            f'{len(rows)} follow'
        )
    table = np.ascontiguousarray(rows).view(kinds)[:, 0]
    # In the header's types, which colours need.
    with np.errstate(invalid='ignore', over='ignore'):
        return table.astype(header.row)


def _read_compressed(
    file: BinaryIO, header: PcdHeader, left: int
) -> np.ndarray:
    packed, unpacked = np.frombuffer(file.read(8), '<u4').tolist()
    promised = header.count * header.row.itemsize
    if packed > left - 8 or unpacked != promised:
        raise ValueError(
            f'truncated or damaged: {packed} compressed bytes for {unpacked} '
            f'are announced; {left - 8} follow, and {header.count} points '
            f'take {promised}'
        )
    data = decompress_lzf(file.read(packed), unpacked)
    table = np.empty(header.count, header.row)
    start = 0
    # Field after field, not point after point.
    for name, kind, repeats in header.fields:
        length = header.count * repeats
        column = np.frombuffer(data, kind, length, start)
        table[name] = column.reshape(header.count, repeats)
        start += column.nbytes
    return table


def decompress_lzf(data: bytes, size: int) -> bytes:
    """Decompress data of LibLZF.

    Args:
        data: The compressed bytes.
        size: Number of bytes that come out.

    Returns:
        The bytes.

    Raises:
        ValueError: If the data are damaged.

    Source: lzf_d.c of LibLZF 3.6.
    """
    out = bytearray()
    position, end = 0, len(data)
    # Zeros stand for what a damaged last instruction lacks.
    data = data + b'\0\0'
    while position < end and len(out) <= size:
        control = data[position]
        position += 1
        if control < 32:
            out += data[position : position + control + 1]
            position += control + 1
            continue
        length = (control >> 5) + 2
        if length == 9:
            length += data[position]
            position += 1
        start = len(out) - ((control & 31) << 8 | data[position]) - 1
        position += 1
        if start < 0:
            raise ValueError('damaged LZF data')
        piece = out[start : start + length]
        # A match may run into what it is writing: a repeated pattern.
        out += (piece * (length // len(piece) + 1))[:length]
    if len(out) != size or position != end:
        raise ValueError(f'damaged LZF data: {len(out)} of {size} bytes')
    return bytes(out)


def _flatten(table: np.ndarray) -> np.ndarray:
    """Give each number a field of its own, and leave padding out."""
    columns = {}
    for name in table.dtype.names:
        values = table[name]
        if name.startswith('_'):
            continue
        if name in ('rgb', 'rgba') and values.dtype.itemsize == 4:
            values = np.ascontiguousarray(values[:, 0]).view('<u4')
            for shift, color in ((16, 'r'), (8, 'g'), (0, 'b')):
                columns[color] = (values >> shift & 255).astype(np.uint8)
        elif values.shape[1] == 1:
            columns[name] = values[:, 0]
        else:
            for index in range(values.shape[1]):
                columns[f'{name}_{index}'] = values[:, index]
    flat = np.empty(len(table), [(n, c.dtype) for n, c in columns.items()])
    for name, column in columns.items():
        flat[name] = column
    return flat
