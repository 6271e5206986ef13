"""The points of a file, whatever its format, and what they have to be."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from mmdet3d_act.datasets.readers.arrays import (
    Columns,
    map_npy,
    read_npy,
    read_npz,
)
from mmdet3d_act.datasets.readers.errors import BadSampleError, reading
from mmdet3d_act.datasets.readers.las import read_e57, read_las
from mmdet3d_act.datasets.readers.mesh import MESH_KINDS, read_mesh
from mmdet3d_act.datasets.readers.pcd import read_pcd, read_pcd_header
from mmdet3d_act.datasets.readers.ply import read_ply, read_ply_header
from mmdet3d_act.datasets.readers.text import read_text
from mmdet3d_act.text import inform

TEXT_FILE_SUFFIXES = ('.txt', '.xyz', '.pts', '.csv')
MESH_FILE_SUFFIXES = tuple(MESH_KINDS)
LASER_FILE_SUFFIXES = ('.las', '.laz')
_KINDS = {
    '.npy': 'a NumPy array',
    '.npz': 'a ZIP archive (.npz)',
    **dict.fromkeys(TEXT_FILE_SUFFIXES, 'rows of numbers'),
    '.ply': 'a PLY file',
    '.pcd': 'a PCD file',
    **dict.fromkeys(LASER_FILE_SUFFIXES, 'a LAS or LAZ file'),
    '.e57': 'an E57 file',
    **MESH_KINDS,
}
POINT_FILE_SUFFIXES = tuple(_KINDS)
# Share of a cloud's extent that rounding to float32 may move a point by.
_MAX_ROUNDING = 1e-4
# Few rows of many numbers are many points with their channels first.
_MAX_CHANNELS = 9
_MIN_POINTS = 32
# Lines of a text that are its beginning; comments may precede the rows.
_HEAD = 500
# The first file whose coordinates were shifted is logged.
_shifted: list[str] = []


class PointCloud(NamedTuple):
    """The points of a file, near enough to the origin for float32.

    Attributes:
        points: (N, 3 + F), float32, contiguous, coordinates first.
        offset: (3,), float64; added to the coordinates it gives those of the
            file. Zeros but for clouds far from the origin.
        names: Of the columns behind the coordinates, F of them, or none
            where the file does not tell them.
    """

    points: np.ndarray
    offset: np.ndarray
    names: tuple[str, ...] = ()


def read_points(
    path: str, npz_key: str | None = None, **options: Any
) -> np.ndarray:
    """Read the points of a file as `read_cloud` does, (N, 3 + F), float32."""
    return read_cloud(path, npz_key, **options).points


def read_cloud(
    path: str,
    npz_key: str | None = None,
    *,
    use_dim: int = 3,
    mesh_points: int = 8192,
    ply_faces: bool = False,
) -> PointCloud:
    """Read the points of a file by its suffix and by what its header says.

    ``docs/data.md`` says what is read of each format.

    Args:
        path: An array (``.npy``, ``.npz``), rows of numbers (``.txt``,
            ``.xyz``, ``.pts``, ``.csv``), a cloud (``.ply``, ``.pcd``,
            ``.las``, ``.laz``, ``.e57``), or a mesh (``.obj``, ``.off``,
            ``.stl``, ``.glb``, ``.gltf``), whose surface is sampled by area.
        npz_key: Name of the array in an ``.npz`` file. None takes the only
            array, or the one named ``points``.
        use_dim: Number of leading columns that must be finite.
        mesh_points: Number of points on a mesh.
        ply_faces: Whether ``.ply`` files are meshes. False takes their
            vertices.

    Raises:
        BadSampleError: If the file is missing, unreadable, empty, or holds
            something else.
        ValueError: If the file's suffix is not one of these.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in _KINDS:
        raise ValueError(
            f'expected a file ending in one of {POINT_FILE_SUFFIXES}, '
            f'got {path}; convert it to .npy'
        )
    with reading(path, _KINDS[suffix]):
        if suffix in MESH_KINDS or (suffix == '.ply' and ply_faces):
            found = Columns(read_mesh(path, mesh_points))
        elif suffix == '.npz':
            found = read_npz(path, npz_key)
        else:
            found = _READERS[suffix](path)
    checked = check_cloud(found.points, path, use_dim)
    return checked._replace(names=found.names)


_READERS = {
    '.npy': read_npy,
    '.ply': read_ply,
    '.pcd': read_pcd,
    '.e57': read_e57,
    **dict.fromkeys(LASER_FILE_SUFFIXES, read_las),
    **dict.fromkeys(TEXT_FILE_SUFFIXES, read_text),
}


_HEADERS: dict = {
    '.ply': read_ply_header,
    '.pcd': lambda file, size: read_pcd_header(file),
    '.e57': lambda file, size: _expect(file, b'ASTM-E57'),
}


def _expect(file: BinaryIO, signature: bytes) -> None:
    if not file.read(len(signature)) == signature:
        raise ValueError(f'it does not begin with {signature!r}')


def check_header(path: str) -> None:
    """Refuse a file whose beginning cannot be read; it is not read as a whole.

    Meshes but ``.ply`` are looked at for whether they are empty only.

    Raises:
        BadSampleError: If the file is missing, empty, or something else than
            its suffix says.
    """
    suffix = os.path.splitext(path)[1].lower()
    with reading(path, _KINDS[suffix]):
        if not os.path.getsize(path):
            raise ValueError('it is empty')
        if suffix == '.npy':
            rows = map_npy(path)
            if rows.dtype.names is None:
                _check_shape(rows, path)
        elif suffix == '.npz':
            zipfile.ZipFile(path).close()
        elif suffix in LASER_FILE_SUFFIXES:
            read_las(path, header_only=True)
        elif suffix in _HEADERS:
            with open(path, 'rb') as file:
                _HEADERS[suffix](file, os.path.getsize(path))
        elif suffix in TEXT_FILE_SUFFIXES:
            read_text(path, max_rows=_HEAD)


def check_cloud(points: np.ndarray, path: str, use_dim: int = 3) -> PointCloud:
    """Turn points into float32, or refuse them by name.

    Coordinates so far from the origin that float32 would blur the cloud
    (map coordinates of a small site) are shifted by whole units towards it.

    Args:
        points: (N, 3 + F), any real type, coordinates first.
        path: File that they come from, for the error.
        use_dim: Number of leading columns that must be finite.
    """
    _check_shape(points, path)
    offset = np.zeros(3)
    if points.dtype.itemsize > 4 or points.dtype.kind != 'f':
        offset = _find_offset(points)
    if offset.any():
        points = points.astype(np.float64)
        points[:, :3] -= offset
        if not _shifted:
            _shifted.append(path)
            inform(
                f'{path}: its coordinates are too far from the origin for '
                f'float32 and were shifted by minus {tuple(offset.tolist())}; '
                "files like it are shifted likewise, see 'offset'"
            )
    with np.errstate(over='ignore'):
        points = np.ascontiguousarray(points, dtype=np.float32)
    finite = np.isfinite(points[:, :use_dim])
    if not finite.all():  # the reduction by rows takes 60 times as long
        bad = np.flatnonzero(~finite.all(axis=1))
        named = ', '.join(
            f'{index} {points[index, :use_dim].tolist()}'
            for index in bad[:3].tolist()
        )
        raise BadSampleError(
            path,
            f'{len(bad)} of {len(points)} points have NaN or infinite '
            f'values: point {named}{", ..." if len(bad) > 3 else ""}',
        )
    return PointCloud(points, offset)


def _check_shape(points: np.ndarray, path: str) -> None:
    """Refuse what is no array (N, 3 + F), such as one with channels first."""
    shape = points.shape
    if points.size == 0:
        raise BadSampleError(path, 'empty: it has no points')
    if points.ndim != 2 or shape[1] < 3 or points.dtype.kind not in 'fiu':
        raise BadSampleError(
            path,
            'expected an array (N, 3 + F) of real numbers, got shape '
            f'{shape}, {points.dtype}',
        )
    if 3 <= shape[0] <= _MAX_CHANNELS and shape[1] >= _MIN_POINTS:
        raise BadSampleError(
            path,
            f'expected an array (N, 3 + F), got shape {shape}, channels '
            'first; transpose it: np.save(path, points.T)',
        )


def check_labels(
    values: np.ndarray, path: str, allowed: Sequence[int] | None = None
) -> np.ndarray:
    """Turn labels per point into int64, (N,), or refuse them by name.

    Args:
        values: (N,), any real type.
        path: File that they come from, for the error.
        allowed: The labels that there are. None takes all that are >= 0.
    """
    with np.errstate(invalid='ignore'):
        labels = values.astype(np.int64)
    good, wanted = labels >= 0, '>= 0'
    if allowed is not None:
        good, wanted = np.isin(labels, allowed), f'in {allowed}'
    good &= labels == values
    if not good.all():
        bad = np.flatnonzero(~good)
        named = ', '.join(f'{values[i]:g} of point {i}' for i in bad[:3])
        raise BadSampleError(
            path,
            f'expected labels that are whole numbers {wanted}, {len(bad)} of '
            f'{len(labels)} are not: {named}',
        )
    return labels


def _find_offset(points: np.ndarray) -> np.ndarray:
    """Find the shift (3,) that float32 needs, zeros where it needs none."""
    low = points[:, :3].min(0).astype(np.float64)
    high = points[:, :3].max(0).astype(np.float64)
    largest = float(np.abs([low, high]).max())
    extent = float((high - low).max())
    if not 0 < extent <= largest < np.finfo(np.float32).max:
        return np.zeros(3)
    if float(np.spacing(np.float32(largest))) <= _MAX_ROUNDING * extent:
        return np.zeros(3)
    return np.round((low + high) / 2)
