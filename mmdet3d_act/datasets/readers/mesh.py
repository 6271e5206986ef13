"""Reading meshes and sampling their surface: trimesh does both."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from mmdet3d_act.datasets.readers.ply import read_ply_header

if TYPE_CHECKING:
    from trimesh import Scene

_UNDECODED = ('KHR_draco_mesh_compression', 'EXT_meshopt_compression')


def read_mesh(
    path: str, mesh_points: int, rng: int | np.random.Generator
) -> np.ndarray:
    """Return points on the surface of a mesh file.

    All meshes of the file, each as often and where its scene places it, are
    sampled together, uniformly by area. A file without faces is a point
    cloud and gives its vertices.

    Args:
        path: An ``.obj``, ``.off``, ``.stl``, ``.glb``, ``.gltf`` or
            ``.ply`` file.
        mesh_points: Number of points on the surface, M.
        rng: A generator to draw from. An int stands for one that is made
            from it and a checksum of the geometry: the same file gives the
            same points, wherever it lies.

    Returns:
        (M, 3), or (V, 3) where there are no faces; float64, in the file's
        unit.

    Raises:
        ValueError: If it is no such file, is truncated, or has faces whose
            area is zero or not finite.
        ImportError: If the package trimesh is missing.
    """
    try:
        import trimesh
    except ImportError as error:
        raise ImportError(
            f'reading {path} needs the package trimesh; '
            'install it with: pip install trimesh'
        ) from error
    suffix = os.path.splitext(path)[1].lower()
    if suffix in _CHECKS:
        _CHECKS[suffix](path)
    try:
        scene = trimesh.load_scene(path, process=False, skip_materials=True)
        triangles, vertices = _collect(scene)
    # Whatever trimesh stumbles over, the file is what is wrong.
    except Exception as error:
        raise ValueError(f'{type(error).__name__}: {error}') from error
    if len(triangles):
        return sample_triangles(triangles, mesh_points, rng)
    if not len(vertices):
        raise ValueError('it has neither faces nor vertices')
    return vertices


def _collect(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Return all triangles (F, 3, 3) and all vertices (V, 3) of a scene."""
    triangles, vertices = [np.empty((0, 3, 3))], [np.empty((0, 3))]
    for node in sorted(scene.graph.nodes_geometry):
        transform, name = scene.graph[node]
        geometry = scene.geometry[name]
        points = np.asarray(geometry.vertices, np.float64).reshape(-1, 3)
        points = points @ transform[:3, :3].T + transform[:3, 3]
        vertices.append(points)
        faces = getattr(geometry, 'faces', None)
        if faces is not None and len(faces):
            if faces.min() < 0 or faces.max() >= len(points):
                raise ValueError(
                    f'a face names vertex {faces.max()}, there are '
                    f'{len(points)}'
                )
            triangles.append(points[faces])
    return np.concatenate(triangles), np.concatenate(vertices)


def sample_triangles(
    triangles: np.ndarray, num_points: int, rng: int | np.random.Generator
) -> np.ndarray:
    """Return points drawn uniformly from the area of triangles.

    Args:
        triangles: (F, 3, 3), the corners.
        num_points: Number of points M.
        rng: See `read_mesh`.

    Returns:
        (M, 3), float64.

    Raises:
        ValueError: If the area is zero or not finite.
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
    if not isinstance(rng, np.random.Generator):
        rng = np.random.default_rng((rng, zlib.crc32(corners)))
    return np.asarray(sample_surface(mesh, num_points, seed=rng)[0])


def _check_off(path: str) -> None:
    """Refuse an OFF file with fewer lines than its counts promise.

    trimesh takes the faces that are there for all of them.
    """
    with open(path, encoding='latin-1') as file:
        lines = (line.partition('#')[0].strip() for line in file)
        lines = (line for line in lines if line)
        first = next(lines, '')
        kind, magic, rest = first.partition('OFF')
        if not magic or len(kind) > 4:
            raise ValueError(f'it begins with {first[:60]!r}, not with "OFF"')
        counts = (rest.strip() or next(lines, '')).split()
        if len(counts) < 2 or not all(c.isdecimal() for c in counts[:2]):
            raise ValueError(
                f'expected numbers of vertices and faces, got {counts[:4]}'
            )
        promised = int(counts[0]) + int(counts[1])
        rest = list(islice(lines, promised))
    left, last = len(rest), ''.join(rest[-1:])
    is_face = int(counts[1]) > 0
    if left < promised or (is_face and not _is_whole_face(last.split())):
        raise ValueError(
            f'truncated: it promises {counts[0]} vertices and {counts[1]} '
            f'faces, {left} lines follow, the last is {last[:60]!r}'
        )


def _is_whole_face(words: list[str]) -> bool:
    """Return whether a row has as many indices as it says, or is no face."""
    return (
        not words[:1]
        or not words[0].isdecimal()
        or (len(words) > int(words[0]))
    )


def _check_ply(path: str) -> None:
    with open(path, 'rb') as file:
        read_ply_header(file, os.path.getsize(path))


def _check_stl(path: str) -> None:
    """Refuse an STL file whose length or ends do not fit its beginning."""
    size = os.path.getsize(path)
    with open(path, 'rb') as file:
        head = file.read(84)
        promised = int.from_bytes(head[80:], 'little')
        if len(head) == 84 and size == 84 + 50 * promised:
            return
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


def _check_glb(path: str) -> None:
    size = os.path.getsize(path)
    with open(path, 'rb') as file:
        head = file.read(20)
        if head[:4] != b'glTF' or len(head) < 20:
            raise ValueError('it does not begin with "glTF" and a header')
        length, json_length = np.frombuffer(head[8:16], '<u4').tolist()
        if length > size or json_length > size - 20:
            raise ValueError(
                f'truncated: its header promises {length} bytes, it has {size}'
            )
        _check_gltf_json(file.read(json_length))


def _check_gltf(path: str) -> None:
    with open(path, 'rb') as file:
        _check_gltf_json(file.read())


def _check_gltf_json(text: bytes) -> None:
    """Refuse compressed geometry, and arrays that no data are there for."""
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError('it is no glTF description')
    used = set(_UNDECODED) & set(content.get('extensionsRequired', ()))
    if used:
        raise ValueError(
            f'its geometry is compressed ({", ".join(sorted(used))}); export '
            'it without compression'
        )
    # trimesh makes zeros of an array without data, however long.
    counts = [
        accessor.get('count', 0)
        for accessor in content.get('accessors', ())
        if 'bufferView' not in accessor
    ]
    if counts:
        raise ValueError(
            f'{len(counts)} of its arrays, the longest of {max(counts)} '
            'numbers, have no data of their own; export it without '
            'compression and sparse arrays'
        )


_CHECKS: dict[str, Callable[[str], None]] = {
    '.off': _check_off,
    '.ply': _check_ply,
    '.stl': _check_stl,
    '.glb': _check_glb,
    '.gltf': _check_gltf,
}
