"""Triangle meshes with part labels, and sampling of their surface."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Mesh(NamedTuple):
    """A triangle mesh.

    Attributes:
        vertices: (V, 3) float.
        faces: (F, 3) int, counter-clockwise seen from outside.
    """

    vertices: np.ndarray
    faces: np.ndarray

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Mesh:
        """Return the mesh shifted by (x, y, z)."""
        return Mesh(self.vertices + np.array([x, y, z]), self.faces)

    def turned(
        self,
        axis: str,
        angle: float,
        pivot: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> Mesh:
        """Return the mesh rotated about an axis through a pivot.

        Args:
            axis: 'x', 'y' or 'z'.
            angle: Radians, right-handed.
            pivot: A point on the axis.
        """
        matrix = rotation(axis, angle)
        center = np.asarray(pivot)
        return Mesh((self.vertices - center) @ matrix.T + center, self.faces)

    def scaled(self, x: float, y: float, z: float) -> Mesh:
        """Return the mesh scaled by positive factors about the origin."""
        return Mesh(self.vertices * np.array([x, y, z]), self.faces)

    def mirrored(self, axis: str = 'x') -> Mesh:
        """Return the mesh mirrored at the plane through the origin."""
        vertices = self.vertices.copy()
        vertices[:, 'xyz'.index(axis)] *= -1
        return Mesh(vertices, self.faces[:, ::-1])


class Shape(NamedTuple):
    """One object: a mesh whose faces know their part.

    Attributes:
        vertices: (V, 3) float, y up.
        faces: (F, 3) int.
        labels: (F,) int, index into `part_names`, or -1 for clutter.
        part_names: The names of the category's parts; a shape need not have
            every one of them.
    """

    vertices: np.ndarray
    faces: np.ndarray
    labels: np.ndarray
    part_names: tuple[str, ...]


class Cloud(NamedTuple):
    """Points on the surface of a shape.

    Attributes:
        points: (N, 3) float32.
        normals: (N, 3) float32, unit length, outward.
        labels: (N,) int64, part ids, -1 for clutter.
        camera: (3,) float32 position of the sensor in the frame of the
            points; None for a complete cloud.
    """

    points: np.ndarray
    normals: np.ndarray
    labels: np.ndarray
    camera: np.ndarray | None = None


def rotation(axis: str, angle: float) -> np.ndarray:
    """Return the (3, 3) matrix of a rotation about a coordinate axis.

    Args:
        axis: 'x', 'y' or 'z'.
        angle: Radians, right-handed.
    """
    first, second = {'x': (1, 2), 'y': (2, 0), 'z': (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[second, first] = np.sin(angle)
    matrix[first, second] = -np.sin(angle)
    return matrix


def volume(mesh: Mesh | Shape) -> float:
    """Return the signed volume, positive where faces point outward."""
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    return float(np.einsum('ij,ij->', a, np.cross(b, c)) / 6)


def oriented(mesh: Mesh) -> Mesh:
    """Return the closed mesh with its faces pointing outward."""
    return (
        mesh if volume(mesh) >= 0 else Mesh(mesh.vertices, mesh.faces[:, ::-1])
    )


def joined(meshes: list[Mesh]) -> Mesh:
    """Return one mesh that holds all the given ones."""
    counts = [len(mesh.vertices) for mesh in meshes]
    offsets = np.concatenate([[0], np.cumsum(counts)[:-1]])
    faces = [
        mesh.faces + offset
        for mesh, offset in zip(meshes, offsets, strict=True)
    ]
    vertices = np.concatenate([mesh.vertices for mesh in meshes])
    return Mesh(vertices, np.concatenate(faces))


def sample_surface(
    shape: Shape, num_points: int, rng: np.random.Generator
) -> Cloud:
    """Return points spread evenly over the surface of a shape.

    Faces are drawn in proportion to their area (stratified, which leaves
    fewer holes than independent draws), the place inside a face uniformly.

    Args:
        shape: The object.
        num_points: N, at least 1.
        rng: Source of randomness.

    Raises:
        ValueError: If the shape has no area or `num_points` is below 1.
    """
    if num_points < 1:
        raise ValueError(
            f'num_points must be at least 1, got {num_points}; ask for more'
        )
    corners = shape.vertices[shape.faces]
    first = corners[:, 1] - corners[:, 0]
    second = corners[:, 2] - corners[:, 0]
    normals = np.cross(first, second)
    doubled = np.linalg.norm(normals, axis=1)
    total = doubled.sum()
    if not np.isfinite(total) or total <= 0:
        raise ValueError(
            f'the shape must have a finite, positive area, got {total / 2}; '
            'check its parts'
        )
    steps = (np.arange(num_points) + rng.random(num_points)) / num_points
    chosen = np.searchsorted(np.cumsum(doubled), steps * total)
    chosen = rng.permutation(np.minimum(chosen, len(doubled) - 1))
    root = np.sqrt(rng.random((num_points, 1)))
    share = rng.random((num_points, 1)) * root
    points = (
        corners[chosen, 0]
        + (root - share) * first[chosen]
        + share * second[chosen]
    )
    unit = normals[chosen] / np.maximum(doubled[chosen, None], 1e-20)
    return Cloud(
        points.astype(np.float32),
        unit.astype(np.float32),
        shape.labels[chosen].astype(np.int64),
    )
