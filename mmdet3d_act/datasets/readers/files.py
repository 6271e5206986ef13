"""Reading the points of a file by its suffix."""

from __future__ import annotations

import os
import struct
import tokenize
import zipfile
import zlib

import numpy as np

from mmdet3d_act.datasets.readers.arrays import read_npy, read_npz
from mmdet3d_act.datasets.readers.checks import check_points
from mmdet3d_act.datasets.readers.errors import BadSampleError, describe_fault
from mmdet3d_act.datasets.readers.mesh import read_mesh
from mmdet3d_act.datasets.readers.pcd import read_pcd
from mmdet3d_act.datasets.readers.ply import read_ply
from mmdet3d_act.datasets.readers.text import read_text

TEXT_FILE_SUFFIXES = ('.txt', '.xyz', '.pts', '.csv')
_KINDS = {
    '.npy': 'a NumPy array',
    '.npz': 'an .npz (ZIP) archive',
    **dict.fromkeys(TEXT_FILE_SUFFIXES, 'rows of numbers'),
    '.ply': 'a PLY file',
    '.pcd': 'a PCD file',
    '.obj': 'a Wavefront OBJ file',
    '.off': 'an OFF file',
    '.stl': 'an STL file',
    '.glb': 'a binary glTF file',
    '.gltf': 'a glTF file',
}
POINT_FILE_SUFFIXES = tuple(_KINDS)
MESH_FILE_SUFFIXES = ('.obj', '.off', '.stl', '.glb', '.gltf')
# What broken content makes parsers raise. ImportError is not among them.
_FAULTS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_points(
    path: str,
    npz_key: str | None = None,
    *,
    mesh_points: int = 8192,
    ply_faces: bool = False,
    rng: int | np.random.Generator = 0,
) -> np.ndarray:
    """Return the points of a file, read by what its header says.

    ``docs/data.md`` says what is read of each format.

    Args:
        path: An array (``.npy``, ``.npz``), rows of numbers (``.txt``,
            ``.xyz``, ``.pts``, ``.csv``), a cloud (``.ply``, ``.pcd``), or a
            mesh (``.obj``, ``.off``, ``.stl``, ``.glb``, ``.gltf``), whose
            surface is sampled by area.
        npz_key: Name of the array in an ``.npz`` file. None takes the only
            array, or the one named ``points``.
        mesh_points: Number of points on a mesh.
        ply_faces: Whether ``.ply`` files are meshes. False takes their
            vertices.
        rng: Source of the points on a mesh. An int: the same file gives the
            same points. A generator is drawn from.

    Returns:
        (N, 3 + F), float32, finite, N >= 1.

    Raises:
        BadSampleError: If the file is missing, unreadable, empty, or holds
            something else.
        ValueError: If the file's suffix is not one of these, or
            ``mesh_points`` is below 1.
        ImportError: If a package that reads the format is missing.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in _KINDS:
        raise ValueError(
            f'expected a file ending in one of {POINT_FILE_SUFFIXES}, '
            f'got {path}; convert it to .npy'
        )
    if mesh_points < 1:
        raise ValueError(f'mesh_points must be >= 1, got {mesh_points}')
    if not os.path.isfile(path):
        raise BadSampleError(path, 'the file does not exist')
    if os.path.getsize(path) == 0:
        raise BadSampleError(path, 'empty: the file has 0 bytes')
    is_mesh = suffix in MESH_FILE_SUFFIXES or (suffix == '.ply' and ply_faces)
    try:
        if is_mesh:
            points = read_mesh(path, mesh_points, rng)
        elif suffix == '.npz':
            points = read_npz(path, npz_key)
        else:
            points = _READERS[suffix](path)
    except PermissionError as error:
        raise BadSampleError(path, f'unreadable: {error.strerror}') from error
    except _FAULTS as error:
        fault = describe_fault(path, _KINDS[suffix], error)
        raise BadSampleError(path, fault) from error
    return check_points(points, path)


_READERS = {
    '.npy': read_npy,
    '.ply': read_ply,
    '.pcd': read_pcd,
    **dict.fromkeys(TEXT_FILE_SUFFIXES, read_text),
}
