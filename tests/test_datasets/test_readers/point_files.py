"""Writers of valid point files of every format, for the reader tests."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from plyfile import PlyData, PlyElement

_COUNT = 40


def cloud() -> np.ndarray:
    """Return a cloud (40, 3), float32, of numbers short in decimals."""
    rng = np.random.default_rng(5)
    return rng.integers(-9999, 9999, (_COUNT, 3)).astype(np.float32) / 1000


def rows(points: np.ndarray, delimiter: str = ' ') -> str:
    """Return points as lines of text."""
    return ''.join(
        delimiter.join(f'{v:.4f}' for v in row) + '\n'
        for row in points.tolist()
    )


def ply(
    points: np.ndarray, form: str, faces: np.ndarray | None = None
) -> bytes:
    """Return a PLY file; 'ascii' or a binary form, with or without faces."""
    kinds = [('red', 'u1'), *((axis, 'f4') for axis in 'xyz')]
    vertices = np.empty(len(points), kinds)
    vertices['red'] = 7
    vertices['x'], vertices['y'], vertices['z'] = points.T
    elements = [PlyElement.describe(vertices, 'vertex')]
    if faces is not None:
        table = np.empty(len(faces), [('vertex_indices', 'i4', (3,))])
        table['vertex_indices'] = faces
        elements.append(PlyElement.describe(table, 'face'))
    content = io.BytesIO()
    order = '>' if 'big' in form else '<'
    PlyData(elements, form == 'ascii', order).write(content)
    return content.getvalue().replace(b' 1.0\n', b' 1.0\ncomment caf\xe9\n')


def pcd_header(points: np.ndarray, encoding: str) -> bytes:
    """Return the header of a PCD file of x, y, z."""
    return (
        '# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\n'
        'FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\n'
        f'WIDTH {len(points)}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\n'
        f'POINTS {len(points)}\nDATA {encoding}\n'
    ).encode()


def lzf_literals(data: bytes) -> bytes:
    """Return data as LZF without any match."""
    pieces = (data[i : i + 32] for i in range(0, len(data), 32))
    return b''.join(bytes([len(p) - 1]) + p for p in pieces)


def pcd(points: np.ndarray, encoding: str) -> bytes:
    """Return a PCD file: 'ascii', 'binary' or 'binary_compressed'."""
    header = pcd_header(points, encoding)
    if encoding == 'ascii':
        return header + rows(points).encode()
    if encoding == 'binary':
        return header + points.tobytes()
    packed = lzf_literals(np.ascontiguousarray(points.T).tobytes())
    sizes = np.array([len(packed), points.nbytes], '<u4').tobytes()
    return header + sizes + packed


def triangles() -> np.ndarray:
    """Return the faces (38, 3) of a strip over the cloud."""
    first = np.arange(_COUNT - 2)
    return np.stack([first, first + 1, first + 2], axis=1)


def _export(kind: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        import trimesh

        mesh = trimesh.Trimesh(cloud(), triangles(), process=False)
        mesh.export(path, file_type=kind)

    return write


def _save(content: Callable[[], bytes | str]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        data = content()
        path.write_bytes(data if isinstance(data, bytes) else data.encode())

    return write


# Name of a form to the suffix and the writer of its file.
CLOUDS: dict[str, tuple[str, Callable[[Path], None]]] = {
    'npy': ('npy', lambda path: np.save(path, cloud())),
    'npz': ('npz', lambda path: np.savez(path, cloud())),
    'npz-compressed': ('npz', lambda p: np.savez_compressed(p, cloud())),
    'txt': ('txt', _save(lambda: rows(cloud(), ','))),
    'xyz': ('xyz', _save(lambda: '# caf\xe9\n' + rows(cloud(), '\t'))),
    'pts': ('pts', _save(lambda: f'{_COUNT}\n' + rows(cloud()))),
    'csv': ('csv', _save(lambda: 'x;y;z\n' + rows(cloud(), ';'))),
    'ply-ascii': ('ply', _save(lambda: ply(cloud(), 'ascii'))),
    'ply-little': ('ply', _save(lambda: ply(cloud(), 'binary_little_endian'))),
    'ply-big': ('ply', _save(lambda: ply(cloud(), 'binary_big_endian'))),
    'pcd-ascii': ('pcd', _save(lambda: pcd(cloud(), 'ascii'))),
    'pcd-binary': ('pcd', _save(lambda: pcd(cloud(), 'binary'))),
    'pcd-compressed': (
        'pcd',
        _save(lambda: pcd(cloud(), 'binary_compressed')),
    ),
}
MESHES: dict[str, tuple[str, Callable[[Path], None]]] = {
    'obj': ('obj', _export('obj')),
    'off': ('off', _export('off')),
    'stl': ('stl', _export('stl')),
    'stl-ascii': ('stl', _export('stl_ascii')),
    'glb': ('glb', _export('glb')),
}
FORMS = CLOUDS | MESHES
# Forms that do not say how long they are: a part of one is one.
UNCOUNTED = ('txt', 'xyz', 'csv', 'obj')


def write_form(form: str, folder: Path) -> Path:
    """Write the valid file of a form and return its path."""
    suffix, write = FORMS[form]
    path = folder / f'{form}.{suffix}'
    write(path)
    return path
