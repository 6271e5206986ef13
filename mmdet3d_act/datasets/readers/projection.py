"""From the depth image of a camera to points, and to pixels of another."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mmdet3d_act.datasets.readers.errors import BadSampleError

# Of limits in metres, in numbers of the depth image.
_ROUNDING = 1e-6


class Calibration(NamedTuple):
    """What is known of a colour and a depth camera that move together.

    Attributes:
        color_intrinsic: (4, 4), pixels of the colour image; the centre of
            the first pixel is (0, 0).
        depth_intrinsic: (4, 4), pixels of the depth image.
        color_extrinsic: (4, 4), from the colour camera to the rig, metres.
        depth_extrinsic: (4, 4), from the depth camera to the rig, metres.
        depth_scale: Numbers of the depth image in a metre.
    """

    color_intrinsic: np.ndarray
    depth_intrinsic: np.ndarray
    color_extrinsic: np.ndarray
    depth_extrinsic: np.ndarray
    depth_scale: float = 1000.0


def back_project(
    depth: np.ndarray,
    calibration: Calibration,
    color_shape: tuple[int, int],
    depth_range: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray]:
    """Find the points of a depth image that the colour image shows, too.

    Args:
        depth: (H, W), uint16; 0 where nothing was measured.
        calibration: Of the two cameras.
        color_shape: Height and width of the colour image, pixels.
        depth_range: Smallest and largest distance along the optical axis,
            metres; points nearer or farther are left out.

    Returns:
        Points (N, 3), float32, metres, in the rig's coordinates: x right, y
        down, z forward; and where the colour image shows each, (N, 2),
        float32, as fractions [0, 1) of its width and height.
    """
    # Columns of (3, N): reductions over rows of three are slow.
    scale = calibration.depth_scale
    lowest, highest = (limit * scale for limit in depth_range)
    # The farthest may be infinite.
    highest = min(highest, np.iinfo(np.uint16).max)
    rows, columns = np.nonzero(
        (depth >= max(1, math.ceil(lowest - _ROUNDING)))
        & (depth <= math.floor(highest + _ROUNDING))
    )
    z = depth[rows, columns] / scale
    to_rig = calibration.depth_extrinsic[:3, :3] @ np.linalg.inv(
        calibration.depth_intrinsic[:3, :3]
    )
    points = to_rig @ np.stack([columns * z, rows * z, z])
    points += calibration.depth_extrinsic[:3, 3:]
    to_color = np.linalg.inv(calibration.color_extrinsic)
    to_image = calibration.color_intrinsic[:3, :3] @ to_color[:3]
    x, y, ahead = to_image[:, :3] @ points + to_image[:, 3:]
    in_front = ahead > 0
    ahead = np.where(in_front, ahead, 1.0)
    # What rounds to 1 in float32 is outside.
    u, v = (
        ((image / ahead + 0.5) / side).astype(np.float32)
        for image, side in zip((x, y), reversed(color_shape), strict=True)
    )
    inside = in_front & (u >= 0) & (u < 1) & (v >= 0) & (v < 1)
    points = points[:, inside].T.astype(np.float32, order='C')
    return points, np.stack([u[inside], v[inside]], axis=1)


def transform(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Move points (N, 3) by a rigid motion (4, 4); their type stays."""
    matrix = matrix.astype(points.dtype)
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def is_rigid(matrix: np.ndarray) -> bool:
    """Tell whether a matrix (4, 4) is a rotation and a translation.

    ScanNet's frames that could not be placed have poses of infinite numbers.
    """
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        return False
    turn = matrix[:3, :3]
    return (
        np.allclose(matrix[3], (0, 0, 0, 1), atol=1e-4)
        and np.allclose(turn @ turn.T, np.eye(3), atol=1e-2)
        and float(np.linalg.det(turn)) > 0
    )


def check_intrinsic(
    intrinsic: np.ndarray, shape: tuple[int, int], name: str, image: str
) -> None:
    """Refuse intrinsics that are those of an image of another size.

    Args:
        intrinsic: (4, 4), pixels.
        shape: Height and width of the image, pixels.
        name: Frame, for the message.
        image: 'colour image' or 'depth image', for the message.

    Raises:
        BadSampleError: If the optical axis is not near the image's centre.
    """
    center = intrinsic[:2, 2] / (shape[1], shape[0])
    if not ((center > 0.25) & (center < 0.75)).all():
        raise BadSampleError(
            name,
            f'its {image} of {shape[1]} x {shape[0]} pixels does not fit the '
            f'intrinsics, whose centre is at ({intrinsic[0, 2]:g}, '
            f'{intrinsic[1, 2]:g}): they belong to another size; scale the '
            'first two rows of intrinsic/*.txt as the images were',
        )
