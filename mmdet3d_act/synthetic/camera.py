"""The scanner of shapes, rooms and frames: a camera and a depth buffer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_NEAR = 0.05  # what is nearer to the eye is not drawn


class Camera(NamedTuple):
    """A pinhole camera: x right, y down, z along the view.

    Attributes:
        pose: (4, 4) camera to world.
        focal: Focal length, pixels.
        width: Width of the picture, pixels.
        height: Height of the picture, pixels.
    """

    pose: np.ndarray
    focal: float
    width: int
    height: int

    @property
    def intrinsic(self) -> np.ndarray:
        """(4, 4) projection as ScanNet stores it: (0, 0) is mid-pixel."""
        matrix = np.eye(4)
        matrix[0, 0] = matrix[1, 1] = self.focal
        matrix[0, 2] = (self.width - 1) / 2
        matrix[1, 2] = (self.height - 1) / 2
        return matrix

    def rays(self) -> np.ndarray:
        """Compute the directions (H, W, 3) of depth 1 in the world."""
        column, row = np.meshgrid(
            np.arange(self.width), np.arange(self.height)
        )
        places = np.stack([column, row, np.ones_like(row)], axis=-1)
        local = places @ np.linalg.inv(self.intrinsic[:3, :3]).T
        return local @ self.pose[:3, :3].T


def look_at(eye: np.ndarray, target: np.ndarray, up: int = 2) -> np.ndarray:
    """Compute the (4, 4) pose of a camera that looks at a point.

    Args:
        eye: (3,) place of the camera.
        target: (3,) middle of the picture, not straight above or below.
        up: Number of the axis that points up.
    """
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, np.eye(3)[up])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    axes = [right, np.cross(forward, right), forward, eye]
    pose[:3] = np.stack(axes, axis=1)
    return pose


def unit_normals(corners: np.ndarray) -> np.ndarray:
    """Compute the outward normals (F, 3) of faces (F, 3, 3)."""
    sides = corners[:, 1:] - corners[:, :1]
    normals = np.cross(sides[:, 0], sides[:, 1])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return normals / np.maximum(length, 1e-20)


def _spread(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count up in each of several ranges: number of the range, place."""
    owner = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    return owner, np.arange(len(owner)) - first[owner]


def render_depth(
    corners: np.ndarray, camera: Camera
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the faces that a camera sees into a depth buffer.

    Faces are seen from their outside only. Every face is cut into its rows;
    a row's ends come from the signs of its three barycentric coordinates,
    which are linear in the picture, so that nothing needs to be clipped.

    Args:
        corners: (F, 3, 3) corners of the faces in the world,
            counter-clockwise seen from outside.
        camera: The camera.

    Returns:
        Depth along the view (H, W), 0 where nothing is, and the face seen
        (H, W), -1 where nothing is.
    """
    image = (corners - camera.pose[:3, 3]) @ camera.pose[:3, :3]
    image = image @ camera.intrinsic[:3, :3].T  # (F, 3, 3): u z, v z, z
    kept, low, high = _visible_rows(image, camera)
    inverse = np.linalg.inv(image[kept].transpose(0, 2, 1))
    owner, row = _spread(high - low + 1)
    row = row + low[owner]
    slope = inverse[owner, :, 0]
    offset = inverse[owner, :, 1] * row[:, None] + inverse[owner, :, 2]
    start, end = _row_ends(slope, offset, camera.width)
    line, column = _spread(np.maximum(end - start + 1, 0))
    column = column + start[line]
    # The barycentric coordinates sum to the inverse of the depth.
    near = slope.sum(axis=1)[line] * column + offset.sum(axis=1)[line]
    place = row[line] * camera.width + column
    usable = (near > 0) & (near < 1 / _NEAR)
    near, place, line = near[usable], place[usable], line[usable]
    nearest = np.zeros(camera.height * camera.width)
    np.maximum.at(nearest, place, near)
    front = near == nearest[place]
    face = np.full(len(nearest), -1)
    face[place[front]] = kept[owner[line[front]]]
    depth = 1 / np.where(nearest > 0, nearest, np.inf)
    shape = camera.height, camera.width
    return depth.reshape(shape), face.reshape(shape)


def _visible_rows(
    image: np.ndarray, camera: Camera
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the faces that may be seen, and their first and last rows."""
    x, y, z = np.moveaxis(image, 2, 0)
    outside = np.einsum(
        'fi,fi->f', image[:, 0], np.cross(image[:, 1], image[:, 2])
    )
    hidden = (z < _NEAR).all(axis=1)
    hidden |= outside > -1e-12 * camera.focal**2
    hidden |= (x < -z).all(axis=1) | (x > camera.width * z).all(axis=1)
    hidden |= (y < -z).all(axis=1) | (y > camera.height * z).all(axis=1)
    whole = (z > _NEAR).all(axis=1)
    level = y / np.where(whole[:, None], z, 1.0)
    last = camera.height - 1
    low = np.where(whole, np.ceil(level.min(axis=1)), 0).clip(0, last + 1)
    high = np.where(whole, np.floor(level.max(axis=1)), last).clip(-1, last)
    kept = np.flatnonzero(~hidden & (high >= low))
    return kept, low[kept].astype(np.int64), high[kept].astype(np.int64)


def _row_ends(
    slope: np.ndarray, offset: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find the first and last column where slope (R, 3) * u + offset >= 0."""
    flat = np.abs(slope) < 1e-15
    cut = -offset / np.where(flat, 1.0, slope)
    start = np.where(~flat & (slope > 0), cut, 0.0).max(axis=1)
    end = np.where(~flat & (slope < 0), cut, width - 1.0).min(axis=1)
    end = np.where((flat & (offset < 0)).any(axis=1), -1.0, end)
    start = np.ceil(np.clip(start, 0, width)).astype(np.int64)
    return start, np.floor(np.clip(end, -1, width - 1)).astype(np.int64)
