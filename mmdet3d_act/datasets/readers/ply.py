"""Reading the vertices of ``.ply`` files."""

from __future__ import annotations

import os
from typing import BinaryIO, NamedTuple

import numpy as np

from mmdet3d_act.datasets.readers.checks import stack_fields

_MAX_HEADER = 2**18
_TYPES = {
    'char': 'i1',
    'uchar': 'u1',
    'short': 'i2',
    'ushort': 'u2',
    'int': 'i4',
    'uint': 'u4',
    'float': 'f4',
    'double': 'f8',
    'int8': 'i1',
    'uint8': 'u1',
    'int16': 'i2',
    'uint16': 'u2',
    'int32': 'i4',
    'uint32': 'u4',
    'float32': 'f4',
    'float64': 'f8',
}
_ORDERS = {
    'ascii': '',
    'binary_little_endian': '<',
    'binary_big_endian': '>',
}


class PlyElement(NamedTuple):
    """An element of a PLY header; a list's type is that of its length."""

    name: str
    count: int
    fields: list[tuple[str, str]]
    has_lists: bool

    def row_bytes(self, is_ascii: bool) -> int:
        """Return the least number of bytes of one row.

        Args:
            is_ascii: Whether the rows are text.

        Returns:
            The number of bytes; exact for binary rows without lists.
        """
        if is_ascii:
            return 2 * len(self.fields)
        return np.dtype(self.fields).itemsize


class PlyHeader(NamedTuple):
    """What a PLY header promises; order '' means text."""

    order: str
    elements: list[PlyElement]


def read_ply_header(file: BinaryIO, size: int) -> PlyHeader:
    """Return the header of a PLY file, checked against the file's length.

    Args:
        file: The file at its beginning; afterwards at its data.
        size: Its length in bytes.

    Returns:
        The byte order and the elements.

    Raises:
        ValueError: If it is no PLY header, or promises more than the file
            can hold.
    """
    if file.readline(8).strip() != b'ply':
        raise ValueError('it does not begin with the line "ply"')
    order, elements = None, []
    while (line := file.readline(_MAX_HEADER).strip()) != b'end_header':
        words = line.decode('latin-1').split()
        if not words:
            if file.tell() >= min(size, _MAX_HEADER):
                raise ValueError('its header has no end ("end_header")')
        elif words[0] == 'format':
            order = _ORDERS.get(''.join(words[1:2]))
        elif words[0] not in ('comment', 'obj_info'):
            _add_line(elements, words)
    if order is None:
        raise ValueError(f'its format is none of {list(_ORDERS)}')
    left = size - file.tell()
    least = sum(e.count * e.row_bytes(order == '') for e in elements)
    # The last row of a text file may lack its line break.
    if least > left + (order == ''):
        counts = {e.name: e.count for e in elements}
        raise ValueError(
            f'truncated: its header promises {counts}, at least {least} '
            f'bytes, and {left} follow'
        )
    return PlyHeader(order, elements)


def _add_line(elements: list[PlyElement], words: list[str]) -> None:
    """Take an element, or a property of the last one."""
    match words:
        case ['element', name, count] if count.isdecimal():
            elements.append(PlyElement(name, int(count), [], False))
        case ['property', kind, name] if kind in _TYPES and elements:
            elements[-1].fields.append((name, _TYPES[kind]))
        case ['property', 'list', kind, item, name] if (
            kind in _TYPES and item in _TYPES and elements
        ):
            elements[-1].fields.append((name, _TYPES[kind]))
            elements[-1] = elements[-1]._replace(has_lists=True)
        case _:
            text = ' '.join(words)[:60]
            raise ValueError(f'its header has the line {text!r}')


def read_ply(path: str) -> np.ndarray:
    """Return the vertices of a PLY file, in text or binary form.

    Args:
        path: The file.

    Returns:
        (N, 3 + F): x, y, z, then the other numeric properties in their
        order.

    Raises:
        ValueError: If it is no PLY file, or is truncated.
        ImportError: If its vertices have or follow lists, and the package
            plyfile, which reads these, is missing.
    """
    with open(path, 'rb') as file:
        header = read_ply_header(file, os.path.getsize(path))
        names = [element.name for element in header.elements]
        if 'vertex' not in names:
            raise ValueError(f'it has no vertices, only {names}')
        index = names.index('vertex')
        before = header.elements[:index]
        vertex = header.elements[index]
        if header.order:
            is_plain = not any(e.has_lists for e in (*before, vertex))
        else:
            is_plain = not vertex.has_lists
        if not is_plain:
            return stack_fields(_read_with_plyfile(path))
        if header.order:
            return _read_binary(file, header.order, before, vertex)
        for _ in range(sum(element.count for element in before)):
            file.readline()
        return _read_ascii(file, vertex)


def _read_binary(
    file: BinaryIO, order: str, before: list[PlyElement], vertex: PlyElement
) -> np.ndarray:
    file.seek(sum(e.count * e.row_bytes(False) for e in before), os.SEEK_CUR)
    kind = np.dtype([(name, order + t) for name, t in vertex.fields])
    data = file.read(vertex.count * kind.itemsize)
    return stack_fields(np.frombuffer(data, kind))


def _read_ascii(file: BinaryIO, vertex: PlyElement) -> np.ndarray:
    kind = np.dtype([(name, 'f8') for name, _ in vertex.fields])
    if vertex.count == 0:
        return stack_fields(np.empty(0, kind))
    rows = np.loadtxt(
        file, max_rows=vertex.count, comments=None, ndmin=2, encoding='latin-1'
    )
    if rows.shape != (vertex.count, len(vertex.fields)):
        raise ValueError(
            f'truncated: its header promises {vertex.count} vertices of '
            f'{len(vertex.fields)} numbers, {rows.shape} follow'
        )
    return stack_fields(np.ascontiguousarray(rows).view(kind)[:, 0])


def _read_with_plyfile(path: str) -> np.ndarray:
    try:
        from plyfile import PlyData, PlyParseError
    except ImportError as error:
        raise ImportError(
            f'reading {path} needs the package plyfile; '
            'install it with: pip install plyfile'
        ) from error
    try:
        return PlyData.read(path)['vertex'].data
    except PlyParseError as error:
        raise ValueError(str(error)) from error
