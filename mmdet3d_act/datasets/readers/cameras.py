"""The matrices of cameras."""

from __future__ import annotations

import numpy as np

from mmdet3d_act.datasets.readers.errors import BadSampleError
from mmdet3d_act.datasets.readers.projection import is_rigid

EXTRINSIC = 'extrinsic'


def read_matrix(path: str) -> np.ndarray:
    """Return the 4 x 4 numbers of a text file; they may be infinite.

    Args:
        path: The file.

    Returns:
        (4, 4), float64.

    Raises:
        BadSampleError: If it is missing or holds something else.
    """
    try:
        with open(path, encoding='utf-8') as file:
            numbers = [float(word) for word in file.read().split()]
    except FileNotFoundError as error:
        raise BadSampleError(path, 'the file does not exist') from error
    except (OSError, ValueError) as error:
        raise BadSampleError(
            path, f'expected 4 rows of 4 numbers: {error}'
        ) from error
    if len(numbers) != 16:
        raise BadSampleError(
            path, f'expected 4 rows of 4 numbers, got {len(numbers)} numbers'
        )
    return np.array(numbers).reshape(4, 4)


def check_camera(matrix: np.ndarray, kind: str, name: str) -> None:
    """Refuse what cannot be the intrinsics or extrinsics of a camera.

    Args:
        matrix: (4, 4).
        kind: ``'intrinsic'`` or ``'extrinsic'``.
        name: Where it is from, for the message.

    Raises:
        BadSampleError: If focal lengths are no lengths, or extrinsics no
            rotation and translation.
    """
    if kind == EXTRINSIC:
        sound, wanted = is_rigid(matrix), 'a rotation and a translation'
    else:
        sound = np.isfinite(matrix).all() and (np.diag(matrix)[:2] > 0).all()
        wanted = 'focal lengths > 0 and finite numbers'
    if not sound:
        raise BadSampleError(
            name, f'expected {wanted}, got {matrix.round(3).tolist()}'
        )
