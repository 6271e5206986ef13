"""Reading ``.ply`` files: their vertices, or also their faces."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from itertools import islice
from typing import BinaryIO, NamedTuple

import numpy as np

from mmdet3d_act.datasets.readers.arrays import stack_fields
from mmdet3d_act.datasets.readers.text import TableLayout, parse_rows

_MAX_HEADER = 2**18
# Bytes that some programs leave behind the last row.
_MAX_LEFT = 8
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
_FACE_LISTS = ('vertex_indices', 'vertex_index')


class PlyElement(NamedTuple):
    """An element of a PLY header; a list's type is that of its length."""

    name: str
    count: int
    fields: list[tuple[str, str]]
    has_lists: bool

    def row_bytes(self, is_ascii: bool) -> int:
        """Count the bytes that one row has at least.

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


def read_ply(path: str) -> np.ndarray:
    """Read the vertices of a PLY file, in text or binary form.

    Args:
        path: The file.

    Returns:
        (N, 3 + F): x, y, z, then the other numeric properties in their
        order.

    Raises:
        ValueError: If it is no PLY file, or is truncated.
    """
    with open(path, 'rb') as file:
        header = _read_header(file, os.path.getsize(path))
        names = [element.name for element in header.elements]
        if 'vertex' not in names:
            raise ValueError(f'it has no vertices, only {names}')
        index = names.index('vertex')
        before = header.elements[:index]
        vertex = header.elements[index]
        if vertex.has_lists or (
            header.order and any(element.has_lists for element in before)
        ):
            return stack_fields(_read_with_plyfile(path)['vertex'].data)
        if not header.order:
            for _ in range(sum(element.count for element in before)):
                file.readline()
            return _read_ascii(file, vertex)
        skipped = sum(e.count * e.row_bytes(is_ascii=False) for e in before)
        file.seek(skipped, os.SEEK_CUR)
        kind = np.dtype([(n, header.order + t) for n, t in vertex.fields])
        data = file.read(vertex.count * kind.itemsize)
        return stack_fields(np.frombuffer(data, kind))


def read_ply_mesh(path: str) -> tuple[np.ndarray, Sequence[np.ndarray]]:
    """Read vertices and faces of a PLY file.

    Args:
        path: The file.

    Returns:
        Vertices (V, 3), and for each face the indices of its vertices.

    Raises:
        ValueError: If it is no PLY file, is truncated, or has its faces in
            another form, such as strips of triangles.
    """
    vertices = read_ply(path)[:, :3]
    with open(path, 'rb') as file:
        header = _read_header(file, os.path.getsize(path))
    others = [e.name for e in header.elements if e.name != 'vertex']
    if 'face' not in others:
        if {'tristrips', 'polygon'} & set(others):
            raise ValueError(
                f'its surface is stored as {others}; export it with faces'
            )
        return vertices, []
    # Triangles are read at once where all faces are triangles.
    triangles = {'face': dict.fromkeys(_FACE_LISTS, 3)}
    try:
        faces = _read_with_plyfile(path, known_list_len=triangles)['face']
    except ValueError:
        faces = _read_with_plyfile(path)['face']
    named = [p.name for p in faces.properties if p.name in _FACE_LISTS]
    if not named:
        raise ValueError(f'its faces have none of {_FACE_LISTS}')
    return vertices, faces[named[0]]


def _read_header(file: BinaryIO, size: int) -> PlyHeader:
    """Read the header of a PLY file, checked against the file's length."""
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


def _read_ascii(file: BinaryIO, vertex: PlyElement) -> np.ndarray:
    kind = np.dtype([(name, 'f8') for name, _ in vertex.fields])
    if vertex.count == 0:
        return stack_fields(np.empty(0, kind))
    width = len(vertex.fields)
    text = io.TextIOWrapper(file, encoding='latin-1')
    lines = islice((line for line in text if line.strip()), vertex.count)
    rows = parse_rows(lines, TableLayout(list(range(width)), width, None))
    if len(rows) != vertex.count:
        raise ValueError(
            f'truncated: its header promises {vertex.count} vertices, '
            f'{len(rows)} follow'
        )
    return stack_fields(np.ascontiguousarray(rows).view(kind)[:, 0])


def _read_with_plyfile(path: str, **options: object) -> object:
    from plyfile import PlyData, PlyParseError

    with open(path, 'rb') as file:
        try:
            content = PlyData.read(file, **options)
        except PlyParseError as error:
            raise ValueError(str(error)) from error
        # plyfile closes what it has read as text.
        left = 0 if content.text else os.path.getsize(path) - file.tell()
    if left > _MAX_LEFT:
        raise ValueError(
            f'{left} bytes follow what its header promises; it is damaged'
        )
    return content
