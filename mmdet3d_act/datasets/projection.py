"""From the depth image of a camera to points, and to pixels of another."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mmdet3d_act.datasets.readers import BadSampleError


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
    """Return the points of a depth image that the colour image shows, too.

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
    near, far = depth_range
    metres = depth.astype(np.float64) / calibration.depth_scale
    rows, columns = np.nonzero(
        (depth > 0) & (metres >= near) & (metres <= far)
    )
    z = metres[rows, columns]
    rays = np.stack([columns * z, rows * z, z], axis=1)
    to_rig = calibration.depth_extrinsic[:3, :3] @ np.linalg.inv(
        calibration.depth_intrinsic[:3, :3]
    )
    points = rays @ to_rig.T + calibration.depth_extrinsic[:3, 3]
    to_color = np.linalg.inv(calibration.color_extrinsic)
    seen = transform(points, to_color) @ calibration.color_intrinsic[:3, :3].T
    ahead = seen[:, 2] > 0
    scale = np.where(ahead, seen[:, 2], 1.0)[:, None]
    height, width = color_shape
    pixels = (seen[:, :2] / scale + 0.5) / (width, height)
    # What rounds to 1 in float32 is outside.
    pixels = pixels.astype(np.float32)
    inside = ahead & (pixels >= 0).all(axis=1) & (pixels < 1).all(axis=1)
    return points[inside].astype(np.float32), pixels[inside]


def transform(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return points after a rigid motion.

    Args:
        points: (N, 3).
        matrix: (4, 4).

    Returns:
        (N, 3).
    """
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def is_rigid(matrix: np.ndarray) -> bool:
    """Return whether a matrix is a rotation and a translation.

    ScanNet's frames that could not be placed have poses of infinite numbers.

    Args:
        matrix: (4, 4).

    Returns:
        False for numbers that are not finite, and for what is no rotation.
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
