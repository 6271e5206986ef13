"""Reading ``.ply`` files: their vertices, or also their faces."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from plyfile import PlyData, PlyParseError

from mmdet3d_act.datasets.readers.arrays import Columns, stack_fields
from mmdet3d_act.datasets.readers.text import read_table
from mmdet3d_act.text import inform

_MAX_HEADER = 2**18
# Bytes that some programs leave behind the last row.
_MAX_LEFT = 8
_TYPES = {
    name: kind
    for kind, names in dict(
        i1=('char', 'int8'),
        u1=('uchar', 'uint8'),
        i2=('short', 'int16'),
        u2=('ushort', 'uint16'),
        i4=('int', 'int32'),
        u4=('uint', 'uint32'),
        f4=('float', 'float32'),
        f8=('double', 'float64'),
    ).items()
    for name in names
}
# Of the bytes; text has none.
_ORDERS = dict(ascii='', binary_little_endian='<', binary_big_endian='>')
_FACE_LISTS = ('vertex_indices', 'vertex_index')
# The first file whose faces were left out is logged.
_with_faces: list[str] = []


class PlyElement(NamedTuple):
    """An element of a PLY header; a list's type is that of its length."""

    name: str
    count: int  # type: ignore[assignment]
    fields: list[tuple[str, str]]
    lists: list[str]


def read_ply(path: str, is_mesh: bool = False) -> Columns:
    """Read the vertices of a PLY file, x, y and z first.

    The first file of which faces are left out is logged, unless it is read
    as a mesh.
    """
    with open(path, 'rb') as file:
        order, elements = read_ply_header(file, os.path.getsize(path))
        faces = sum(e.count for e in elements if e.name == 'face')
        if faces and not (is_mesh or _with_faces):
            _with_faces.append(path)
            inform(
                f'{path}: its vertices are the points, its {faces} faces are '
                'left out, and those of files like it; ply_faces=True of '
                'LoadPointCloud samples them'
            )
        index = [element.name for element in elements].index('vertex')
        before, vertex = elements[:index], elements[index]
        if vertex.lists or (order and any(e.lists for e in before)):
            return stack_fields(_read_with_plyfile(path)['vertex'].data)
        if not order:
            for _ in range(sum(element.count for element in before)):
                file.readline()
            kind = np.dtype([(name, 'f8') for name, _ in vertex.fields])
            return stack_fields(read_table(file, kind, vertex.count))
        skipped = sum(e.count * np.dtype(e.fields).itemsize for e in before)
        file.seek(skipped, os.SEEK_CUR)
        kind = np.dtype([(n, order + t) for n, t in vertex.fields])
        data = file.read(vertex.count * kind.itemsize)
        return stack_fields(np.frombuffer(data, kind))


def read_ply_mesh(path: str) -> tuple[np.ndarray, Sequence[np.ndarray]]:
    """Read vertices (V, 3), and for each face the indices of its vertices."""
    vertices = read_ply(path, is_mesh=True).points[:, :3]
    with open(path, 'rb') as file:
        elements = read_ply_header(file, os.path.getsize(path))[1]
    names = {element.name for element in elements}
    if 'face' not in names:
        if names & {'tristrips', 'polygon'}:
            raise ValueError(
                f'its surface is stored as {names}; export it with faces'
            )
        return vertices, []
    # Triangles are read at once where all faces are triangles.
    triangles = {'face': dict.fromkeys(_FACE_LISTS, 3)}
    try:
        faces = _read_with_plyfile(path, known_list_len=triangles)['face']
    except (PlyParseError, ValueError):
        faces = _read_with_plyfile(path)['face']
    named = {prop.name for prop in faces.properties}
    first, second = _FACE_LISTS
    return vertices, faces[first if first in named else second]


def read_ply_header(file: BinaryIO, size: int) -> tuple[str, list[PlyElement]]:
    """Read byte order and elements; the file is as long as these take."""
    head = file.read(_MAX_HEADER)
    end = re.search(rb'\nend_header\s*?\n', head)
    if end is None or not head.startswith(b'ply'):
        raise ValueError('it does not begin with "ply" ... "end_header"')
    file.seek(end.end())
    order, elements = '', []
    for line in head[3 : end.start()].decode('latin-1').splitlines():
        match line.split():
            case [] | ['comment' | 'obj_info', *_]:
                pass
            case ['format', form, *_] if form in _ORDERS:
                order = _ORDERS[form]
            case ['element', name, count] if count.isdecimal():
                elements.append(PlyElement(name, int(count), [], []))
            case ['property', 'list', kind, item, name] if {
                kind,
                item,
            } <= _TYPES.keys() and elements:
                elements[-1].fields.append((name, _TYPES[kind]))
                elements[-1].lists.append(name)
            case ['property', kind, name] if kind in _TYPES and elements:
                elements[-1].fields.append((name, _TYPES[kind]))
            case _:
                raise ValueError(f'its header has the line {line[:60]!r}')
    least = sum(
        e.count * (np.dtype(e.fields).itemsize if order else 2 * len(e.fields))
        for e in elements
    )
    # The last row of a text file may lack its line break.
    if least > size - file.tell() + (not order):
        counts = {e.name: e.count for e in elements}
        raise ValueError(
            f'truncated: its header promises {counts}, at least {least} '
            f'bytes, and {size - file.tell()} follow'
        )
    return order, elements


def _read_with_plyfile(path: str, **options: Any) -> PlyData:
    with open(path, 'rb') as file:
        content = PlyData.read(file, **options)
        # plyfile closes what it has read as text.
        left = 0 if content.text else os.path.getsize(path) - file.tell()
    if left > _MAX_LEFT:
        raise ValueError(
            f'{left} bytes follow what its header promises; it is damaged'
        )
    return content
