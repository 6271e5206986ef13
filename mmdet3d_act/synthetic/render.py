"""Depth images of triangle meshes by scan lines, with NumPy alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_NEAR = 0.05  # what is nearer to the eye is not drawn, metres


class Camera(NamedTuple):
    """A pinhole camera: x right, y down, z along the view.

    Attributes:
        pose: (4, 4) camera to world.
        focal: Focal length, picture elements.
        width: Width of the picture, picture elements.
        height: Height of the picture, picture elements.
    """

    pose: np.ndarray
    focal: float
    width: int
    height: int

    @property
    def intrinsic(self) -> np.ndarray:
        """The (4, 4) projection matrix, as ScanNet stores it.

        The middle of the first picture element is at (0, 0).
        """
        matrix = np.eye(4)
        matrix[0, 0] = matrix[1, 1] = self.focal
        matrix[0, 2] = (self.width - 1) / 2
        matrix[1, 2] = (self.height - 1) / 2
        return matrix

    def rays(self) -> np.ndarray:
        """Return (H, W, 3) directions in the world, of depth 1."""
        column, row = np.meshgrid(
            np.arange(self.width), np.arange(self.height)
        )
        places = np.stack([column, row, np.ones_like(row)], axis=-1)
        local = places @ np.linalg.inv(self.intrinsic[:3, :3]).T
        return local @ self.pose[:3, :3].T


def look_at(eye: np.ndarray, target: np.ndarray, roll: float) -> np.ndarray:
    """Return the (4, 4) pose of a camera that looks at a point.

    Args:
        eye: (3,) place of the camera, z up.
        target: (3,) what is in the middle of the picture; not straight
            above or below the eye.
        roll: Turn about the view, radians.
    """
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    cos, sin = np.cos(roll), np.sin(roll)
    pose = np.eye(4)
    pose[:3, 0] = cos * right + sin * down
    pose[:3, 1] = cos * down - sin * right
    pose[:3, 2] = forward
    pose[:3, 3] = eye
    return pose


def render_depth(
    corners: np.ndarray, camera: Camera
) -> tuple[np.ndarray, np.ndarray]:
    """Return what a camera sees of a mesh.

    Faces are seen from their outside only. Every face is cut into its rows,
    a row's ends come from the signs of its three barycentric coordinates:
    linear in the picture, so that nothing needs to be clipped.

    Args:
        corners: (F, 3, 3) corners of the faces, in the world,
            counter-clockwise seen from outside.
        camera: The camera.

    Returns:
        Depth along the view (H, W), 0 where nothing is, and the face seen
        (H, W), -1 where nothing is.
    """
    local = (corners - camera.pose[:3, 3]) @ camera.pose[:3, :3]
    kept, rows = _candidates(local, camera)
    image = local[kept] @ camera.intrinsic[:3, :3].T
    inverse = np.linalg.inv(image.transpose(0, 2, 1))
    low, high = rows[kept].T
    counts = high - low + 1
    owner = np.repeat(np.arange(len(kept)), counts)
    row = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    row = row + low[owner]
    slope = inverse[owner, :, 0]
    offset = inverse[owner, :, 1] * row[:, None] + inverse[owner, :, 2]
    start, end = _row_ends(slope, offset, camera.width)
    lengths = np.maximum(end - start + 1, 0)
    line = np.repeat(np.arange(len(owner)), lengths)
    column = np.arange(len(line)) - np.repeat(
        np.cumsum(lengths) - lengths, lengths
    )
    column = column + start[line]
    ones = np.ones(3)
    near = (slope @ ones)[line] * column + (offset @ ones)[line]
    place = row[line] * camera.width + column
    usable = (near > 0) & (near < 1 / _NEAR)
    near, place, line = near[usable], place[usable], line[usable]
    nearest = np.zeros(camera.height * camera.width)
    np.maximum.at(nearest, place, near)
    front = near == nearest[place]
    face = np.full(len(nearest), -1)
    face[place[front]] = kept[owner[line[front]]]
    depth = np.divide(
        1, nearest, where=nearest > 0, out=np.zeros_like(nearest)
    )
    shape = camera.height, camera.width
    return depth.reshape(shape), face.reshape(shape)


def _candidates(
    local: np.ndarray, camera: Camera
) -> tuple[np.ndarray, np.ndarray]:
    """Return the faces that may be seen, and (F, 2) the rows of all faces."""
    image = local @ camera.intrinsic[:3, :3].T
    x, y, z = np.moveaxis(image, 2, 0)
    outside = np.einsum(
        'fi,fi->f', local[:, 0], np.cross(local[:, 1], local[:, 2])
    )
    hidden = (z < _NEAR).all(axis=1) | (outside > -1e-12)
    hidden |= (x < -z).all(axis=1) | (x > camera.width * z).all(axis=1)
    hidden |= (y < -z).all(axis=1) | (y > camera.height * z).all(axis=1)
    whole = (z > _NEAR).all(axis=1)
    level = y / np.where(whole[:, None], z, 1.0)
    low = np.where(whole, np.ceil(level.min(axis=1)), 0)
    high = np.where(whole, np.floor(level.max(axis=1)), camera.height - 1)
    rows = np.stack([low, high], axis=1)
    rows = np.clip(rows, [[0, -1]], [[camera.height, camera.height - 1]])
    hidden |= rows[:, 1] < rows[:, 0]
    return np.flatnonzero(~hidden), rows.astype(np.int64)


def _row_ends(
    slope: np.ndarray, offset: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and last column where slope * u + offset >= 0.

    Args:
        slope: (R, 3), for the three coordinates of every row.
        offset: (R, 3).
        width: Width of the picture.
    """
    flat = np.abs(slope) < 1e-15
    cut = -offset / np.where(flat, 1.0, slope)
    never = flat & (offset < 0)
    start = np.where(~flat & (slope > 0), cut, 0.0).max(axis=1)
    end = np.where(~flat & (slope < 0), cut, width - 1.0).min(axis=1)
    end = np.where(never.any(axis=1), -1.0, end)
    start = np.ceil(np.clip(start, 0, width))
    end = np.floor(np.clip(end, -1, width - 1))
    return start.astype(np.int64), end.astype(np.int64)
