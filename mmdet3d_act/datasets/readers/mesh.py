"""Reading meshes and sampling their surface."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from mmdet3d_act.datasets.readers.errors import (
    BoundedReader,
    check_expansion,
)
from mmdet3d_act.datasets.readers.ply import read_ply_mesh
from mmdet3d_act.datasets.readers.polygons import triangulate

MESH_KINDS = {
    '.obj': 'a Wavefront OBJ file',
    '.off': 'an OFF file',
    '.stl': 'an STL file',
    '.glb': 'a binary glTF file',
    '.gltf': 'a glTF file',
}
_TRIANGLE_BYTES = 72
# Extensions of glTF that leave the geometry alone.
_HARMLESS = re.compile(r'_(materials|texture|lights|xmp|mesh_quantization)')
# Modes of glTF: points and lines have no surface.
_NO_SURFACE, _TRIANGLES = (0, 1, 2, 3), 4
# Words of OBJ: surfaces that are no polygons.
_FREE_FORM = ('curv', 'curv2', 'surf', 'bzp', 'bsp')


def read_mesh(path: str, mesh_points: int) -> np.ndarray:
    """Sample points on the surface of a mesh file.

    All meshes of the file, each as often and where its scene places it, are
    sampled together, uniformly by area. A file without faces is a point
    cloud and gives its vertices.

    Args:
        path: An ``.obj``, ``.off``, ``.stl``, ``.glb``, ``.gltf`` or
            ``.ply`` file.
        mesh_points: Number of points on the surface, M.

    Returns:
        (M, 3), or (V, 3) where there are no faces; float64, in the file's
        unit.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix in ('.stl', '.glb', '.gltf'):
        triangles, vertices = _read_with_trimesh(path, suffix)
    else:
        found, faces = _READERS[suffix](path)
        vertices = np.asarray(found, np.float64).reshape(-1, 3)
        triangles = vertices[triangulate(vertices, faces)]
    if len(triangles):
        return sample_triangles(triangles, mesh_points)
    if not len(vertices):
        raise ValueError('it has neither faces nor vertices')
    return vertices


def sample_triangles(triangles: np.ndarray, num_points: int) -> np.ndarray:
    """Draw points (M, 3) uniformly from the area of triangles (F, 3, 3).

    The same triangles give the same points.
    """
    from trimesh import Trimesh
    from trimesh.sample import sample_surface

    corners = np.ascontiguousarray(triangles.reshape(-1, 3))
    mesh = Trimesh(
        corners, np.arange(len(corners)).reshape(-1, 3), process=False
    )
    with np.errstate(all='ignore'):
        area = float(mesh.area_faces.sum())
    if not 0 < area < np.inf:
        raise ValueError(
            f'its {len(triangles)} faces have an area of {area}, nothing to '
            'sample; export its vertices as a point cloud'
        )
    rng = np.random.default_rng((0, zlib.crc32(corners)))
    return np.asarray(sample_surface(mesh, num_points, seed=rng)[0])


def _read_obj(path: str) -> tuple[list, list]:
    """Read vertices and faces of an OBJ file; names and materials are not."""
    vertices: list[list[float]] = []
    faces: list[list[int]] = []
    with open(path, encoding='latin-1') as file:
        for line in _joined_lines(file):
            words = line.partition('#')[0].split()
            if not words:
                continue
            if words[0] == 'v':
                vertices.append([float(word) for word in words[1:4]])
            elif words[0] == 'f':
                # 1 is the first vertex, -1 the last one so far.
                indices = [int(word.split('/')[0]) for word in words[1:]]
                count = len(vertices)
                if 0 in indices or min(indices, default=0) < -count:
                    raise ValueError(
                        f'the face {line.strip()[:60]!r} after {count} '
                        'vertices names one that is not there'
                    )
                faces.append([i - 1 if i > 0 else count + i for i in indices])
            elif words[0] in _FREE_FORM:
                raise ValueError(
                    f'it has free-form surfaces ({words[0]}); export it as '
                    'polygons'
                )
    return vertices, faces


def _joined_lines(lines: Iterator[str]) -> Iterator[str]:
    """Join lines that end in a backslash with the next one."""
    for line in lines:
        while line.endswith('\\\n'):
            line = line[:-2] + ' ' + next(lines, '')
        yield line


def _read_off(path: str) -> tuple[np.ndarray, list]:
    """Read vertices and faces of an OFF file, as many as it promises."""
    with open(path, encoding='latin-1') as file:
        lines = (line.partition('#')[0].strip() for line in file)
        lines = (line for line in lines if line)
        first = next(lines, '')
        kind, magic, rest = first.partition('OFF')
        if not magic or not set(kind) <= set('STCN'):
            raise ValueError(f'it begins with {first[:60]!r}, not with "OFF"')
        counts = (rest.strip() or next(lines, '')).split()
        num_vertices, num_faces = map(int, counts[:2])
        rows = [line.split() for line in islice(lines, num_vertices)]
        faces = [line.split() for line in islice(lines, num_faces)]
    lengths = [int(face[0]) for face in faces]
    whole = [len(f) > k for f, k in zip(faces, lengths, strict=True)]
    if len(rows) + sum(whole) < num_vertices + num_faces:
        raise ValueError(
            f'truncated: it promises {num_vertices} vertices and {num_faces} '
            f'faces, {len(rows)} and {sum(whole)} follow'
        )
    vertices = [[float(word) for word in row[:3]] for row in rows]
    return np.array(vertices), [
        [int(word) for word in face[1 : length + 1]]
        for face, length in zip(faces, lengths, strict=True)
    ]


_READERS: dict[str, Callable[[str], tuple[Any, Any]]] = {
    '.obj': _read_obj,
    '.off': _read_off,
    '.ply': read_ply_mesh,
}


def _read_with_trimesh(
    path: str, suffix: str
) -> tuple[np.ndarray, np.ndarray]:
    """Read triangles (F, 3, 3) and vertices (V, 3), none of them lost."""
    import trimesh

    declared = _count_stl(path) if suffix == '.stl' else _count_gltf(path)
    with BoundedReader(path) as file:
        scene = trimesh.load_scene(
            file,
            suffix[1:],
            trimesh.resolvers.FilePathResolver(path),
            process=False,
            skip_materials=True,
        )
    found = [len(getattr(g, 'faces', ())) for g in scene.geometry.values()]
    if sum(found) != declared:
        raise ValueError(
            f'it declares {declared} faces, {sum(found)} could be read'
        )
    nodes = sorted(scene.graph.nodes_geometry)
    parts = [scene.geometry[scene.graph[node][1]] for node in nodes]
    size = sum(len(p.vertices) + len(getattr(p, 'faces', ())) for p in parts)
    check_expansion(size * _TRIANGLE_BYTES, os.path.getsize(path))
    triangles, vertices = [np.empty((0, 3, 3))], [np.empty((0, 3))]
    for node in nodes:
        transform, name = scene.graph[node]
        geometry = scene.geometry[name]
        points = np.asarray(geometry.vertices, np.float64).reshape(-1, 3)
        points = points @ transform[:3, :3].T + transform[:3, 3]
        vertices.append(points)
        faces: Sequence = getattr(geometry, 'faces', ())
        if len(faces):
            triangles.append(points[triangulate(points, np.asarray(faces))])
    return np.concatenate(triangles), np.concatenate(vertices)


def _count_stl(path: str) -> int:
    """Count the faces of an STL file, whose length and ends must fit."""
    size = os.path.getsize(path)
    with open(path, 'rb') as file:
        head = file.read(84)
        promised = int.from_bytes(head[80:], 'little')
        if len(head) == 84 and size == 84 + 50 * promised:
            return promised
        if not head.lstrip().lower().startswith(b'solid'):
            raise ValueError(
                f'truncated or no STL file: a binary one with {promised} '
                f'faces has {84 + 50 * promised} bytes, this has {size}'
            )
        text = (head + file.read()).lower()
    for word in (b'solid', b'facet'):
        starts = len(re.findall(rb'^\s*' + word, text, re.MULTILINE))
        ends = len(re.findall(rb'^\s*end' + word, text, re.MULTILINE))
        if starts != ends:
            raise ValueError(
                f'truncated: it has {starts} "{word.decode()}" and {ends} '
                f'"end{word.decode()}"'
            )
    return starts


def _count_gltf(path: str) -> int:
    """Count the triangles of a glTF file, refuse what would not be read."""
    with open(path, 'rb') as file:
        data = file.read()
    if path.lower().endswith('.glb'):
        length = int.from_bytes(data[12:16], 'little')
        data = data[20 : 20 + length]
    content = json.loads(data)
    accessors = content.get('accessors', [])
    primitives = [
        primitive
        for mesh in content.get('meshes', ())
        for primitive in mesh['primitives']
    ]
    faults = set(_find_unread(content, accessors, primitives))
    if faults:
        raise ValueError(
            f'its geometry depends on {", ".join(sorted(faults))}, which is '
            'not understood; export it as plain triangles, without '
            'compression and instancing'
        )
    return sum(_count_triangles(one, accessors) for one in primitives)


def _find_unread(
    content: dict, accessors: list[dict], primitives: list[dict]
) -> Iterator[str]:
    """Name what the library drops, or reads as something else."""
    for key in ('extensionsUsed', 'extensionsRequired'):
        for extension in content.get(key, ()):
            if not _HARMLESS.search(extension):
                yield extension
    # trimesh makes zeros of an array without data, however long.
    if any('bufferView' not in a or 'sparse' in a for a in accessors):
        yield 'arrays without data of their own'
    for primitive in primitives:
        mode = primitive.get('mode', _TRIANGLES)
        if mode not in (*_NO_SURFACE, _TRIANGLES):
            yield 'strips or fans of triangles'
        position = accessors[primitive['attributes']['POSITION']]
        if position.get('normalized'):
            yield 'coordinates that are normalized integers'


def _count_triangles(primitive: dict, accessors: list[dict]) -> int:
    mode = primitive.get('mode', _TRIANGLES)
    if mode in _NO_SURFACE:
        return 0
    corners = accessors[primitive['attributes']['POSITION']]['count']
    if 'indices' in primitive:
        corners = accessors[primitive['indices']]['count']
    return corners // 3
