"""Reading ``.pcd`` files of the Point Cloud Library."""

from __future__ import annotations

import math
import os
from typing import BinaryIO

import numpy as np

from mmdet3d_act.datasets.readers.arrays import Columns, stack_fields
from mmdet3d_act.datasets.readers.text import read_table

_MAX_HEADER_LINES = 100


def read_pcd(path: str) -> Columns:
    """Read the points of a PCD file: ascii, binary or binary_compressed.

    Points whose x, y or z is NaN are left out: this is how an organised
    cloud marks the pixels without a measurement. Packed colours (``rgb``,
    ``rgba``) become three columns from 0 to 255. Padding (``_``) is left
    out. The viewpoint is not applied.

    Source: https://pointclouds.org/documentation/tutorials/pcd_file_format
    """
    with open(path, 'rb') as file:
        row, count, encoding = read_pcd_header(file)
        left = os.path.getsize(path) - file.tell()
        numbers = sum(math.prod(row[name].shape) for name in row.names)
        least = dict(
            # The last row may lack its line break.
            ascii=2 * count * numbers - 1,
            binary=count * row.itemsize,
            binary_compressed=8,
        )[encoding]
        if count < 0 or least > left:
            raise ValueError(
                f'truncated: its header promises {count} points '
                f'({encoding}), at least {least} bytes, and {left} follow'
            )
        if encoding == 'ascii':
            table = _read_ascii(file, row, count)
        elif encoding == 'binary':
            table = np.frombuffer(file.read(least), row)
        else:
            table = _read_compressed(file, row, count, left)
    points, names = stack_fields(_flatten(table))
    return Columns(points[~np.isnan(points[:, :3]).any(axis=1)], names)


def read_pcd_header(file: BinaryIO) -> tuple[np.dtype, int, str]:
    """Read the type of a row, the number of points and their encoding."""
    entries: dict[str, list[str]] = {}
    for _ in range(_MAX_HEADER_LINES):
        words = file.readline(2**16).decode('latin-1').split()
        if words and not words[0].startswith('#'):
            entries[words[0].upper()] = words[1:]
        if 'DATA' in entries:
            break
    names = entries['FIELDS']
    counts = entries.get('COUNT', ['1'] * len(names))
    columns = zip(names, entries['TYPE'], entries['SIZE'], counts, strict=True)
    fields = []
    for index, (name, kind, size, repeats) in enumerate(columns):
        # Padding may come several times; fields need names of their own.
        name = f'_{index}' if name == '_' else name
        fields.append((name, f'<{kind.lower()}{size}', (int(repeats),)))
    width, height = (int(entries.get(n, '1')[0]) for n in ('WIDTH', 'HEIGHT'))
    count = int(entries.get('POINTS', [width * height])[0])
    return np.dtype(fields), count, entries['DATA'][0].lower()


def _read_ascii(file: BinaryIO, row: np.dtype, count: int) -> np.ndarray:
    wide = [(name, 'f8', row[name].shape) for name in row.names]
    table = read_table(file, np.dtype(wide), count)
    # In the header's types, which colours need.
    with np.errstate(invalid='ignore', over='ignore'):
        return table.astype(row)


def _read_compressed(
    file: BinaryIO, row: np.dtype, count: int, left: int
) -> np.ndarray:
    packed, unpacked = np.frombuffer(file.read(8), '<u4').tolist()
    if packed > left - 8 or unpacked != count * row.itemsize:
        raise ValueError(
            f'truncated or damaged: {packed} compressed bytes for {unpacked} '
            f'are announced; {left - 8} follow, and {count} points take '
            f'{count * row.itemsize}'
        )
    data = decompress_lzf(file.read(packed), unpacked)
    table = np.empty(count, row)
    start = 0
    # Field after field, not point after point.
    for name in row.names:
        column = np.frombuffer(data, row[name].base, table[name].size, start)
        table[name] = column.reshape(table[name].shape)
        start += column.nbytes
    return table


def decompress_lzf(data: bytes, size: int) -> bytes:
    """Decompress data of LibLZF to a number of bytes.

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
