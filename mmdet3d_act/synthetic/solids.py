"""Solids that shapes are composed of: y up, front to +z, faces outward.

Box, ball and torus are trimesh's, made once; everything else is a skin
stretched over a row of rings. A `Trimesh` for each part would take most of
the time of a scan, so that solids are bare arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator
from trimesh import creation
from trimesh.transformations import rotation_matrix

Rows = Sequence[Sequence[float]] | np.ndarray


class Solid(NamedTuple):
    """A closed triangle mesh.

    Attributes:
        vertices: (V, 3) float.
        faces: (F, 3) int, counter-clockwise seen from outside.
    """

    vertices: np.ndarray
    faces: np.ndarray

    def at(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Solid:
        """Shift by (x, y, z)."""
        return Solid(self.vertices + np.array([x, y, z]), self.faces)

    def turned(
        self, axis: str, angle: float, pivot: Sequence[float] = (0, 0, 0)
    ) -> Solid:
        """Rotate by radians, right-handed, about an axis through a pivot."""
        center = np.asarray(pivot)
        moved = (self.vertices - center) @ rotation(axis, angle).T + center
        return Solid(moved, self.faces)

    def scaled(self, x: float, y: float, z: float) -> Solid:
        """Scale about the origin; a negative factor mirrors."""
        inward = x * y * z < 0
        faces = self.faces[:, ::-1] if inward else self.faces
        return Solid(self.vertices * np.array([x, y, z]), faces)


def rotation(axis: str, angle: float) -> np.ndarray:
    """Compute the (3, 3) rotation by radians about 'x', 'y' or 'z'."""
    return rotation_matrix(angle, np.eye(3)['xyz'.index(axis)])[:3, :3]


def join(*solids: Solid) -> Solid:
    """Put solids into one mesh."""
    counts = [len(solid.vertices) for solid in solids]
    offsets = np.repeat(
        np.cumsum(counts) - counts, [len(solid.faces) for solid in solids]
    )
    faces = np.concatenate([solid.faces for solid in solids])
    vertices = np.concatenate([solid.vertices for solid in solids])
    return Solid(vertices, faces + offsets[:, None])


def pair(solid: Solid, axis: str = 'x') -> Solid:
    """Join a solid and its mirror image."""
    mirror = 1 - 2 * np.eye(3)['xyz'.index(axis)]
    return join(solid, solid.scaled(*mirror))


def four(solid: Solid) -> Solid:
    """Join a solid and its mirror images in x and z, as of legs."""
    return pair(pair(solid), 'z')


def row(solid: Solid, count: int, width: float) -> Solid:
    """Join copies of a solid to a row along x."""
    places = (np.arange(count) + 0.5) * width / count - width / 2
    return join(*(solid.at(x=x) for x in places))


def around(solid: Solid, count: int) -> Solid:
    """Join copies of a solid turned about the y axis, evenly spread."""
    angles = 2 * np.pi * np.arange(count) / count
    return join(*(solid.turned('y', angle) for angle in angles))


@cache
def _unit(name: str) -> Solid:
    """Make a solid of trimesh whose extents are 1."""
    if name == 'box':
        mesh = creation.box()
    else:
        mesh = creation.uv_sphere(radius=0.5, count=[9, 18])
    return Solid(np.array(mesh.vertices), np.array(mesh.faces))


def box(
    width: float, height: float, depth: float, taper: Sequence[float] = (1, 1)
) -> Solid:
    """Make a box at the origin.

    Args:
        width: Extent along x.
        height: Extent along y.
        depth: Extent along z.
        taper: Factors of width and depth at the top face.
    """
    solid = _unit('box').scaled(width, height, depth)
    top = solid.vertices[:, 1] > 0
    solid.vertices[np.ix_(top, [0, 2])] *= np.asarray(taper)
    return solid


def ball(width: float, height: float, depth: float) -> Solid:
    """Make an ellipsoid of the given extents at the origin."""
    return _unit('ball').scaled(width, height, depth)


def ring(
    width: float,
    depth: float,
    power: float = 2.0,
    sides: int = 20,
    center: Sequence[float] = (0, 0),
) -> np.ndarray:
    """Compute a superellipse.

    Args:
        width: Extent of the first coordinate.
        depth: Extent of the second coordinate.
        power: 2 is an ellipse; the larger, the closer to a rectangle.
        sides: Number of points S.
        center: Its middle.

    Returns:
        (S, 2) points.
    """
    angle = (np.arange(sides) + 0.5) * (2 * np.pi / sides)
    wave = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rounded = np.sign(wave) * np.abs(wave) ** (2 / power)
    return rounded * [width / 2, depth / 2] + np.asarray(center)


def loft(rings: np.ndarray) -> Solid:
    """Stretch a skin over rings and close both ends by flat caps.

    Args:
        rings: (R, S, 3) corners of R rings with S points each.
    """
    num_rings, sides, _ = rings.shape
    lower = np.arange(num_rings * sides).reshape(num_rings, sides)
    beside = np.roll(lower, -1, axis=1)
    first = np.full(sides, num_rings * sides)
    corners = [
        (lower[:-1], lower[1:], beside[1:]),
        (lower[:-1], beside[1:], beside[:-1]),
        (first, lower[0], beside[0]),
        (first + 1, beside[-1], lower[-1]),
    ]
    faces = np.concatenate([np.stack(c, -1).reshape(-1, 3) for c in corners])
    middles = rings[[0, -1]].mean(axis=1)
    vertices = np.concatenate([rings.reshape(-1, 3), middles])
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    inward = np.einsum('ij,ij->', a, np.cross(b, c)) < 0
    return Solid(vertices, faces[:, ::-1] if inward else faces)


def skin(
    outlines: Sequence[np.ndarray], places: Sequence[float], axis: str = 'y'
) -> Solid:
    """Stretch a skin over flat outlines at places along an axis.

    Args:
        outlines: (S, 2) each, in the two other coordinates.
        places: Place of each outline.
        axis: 'x', 'y' or 'z'.
    """
    at = 'xyz'.index(axis)
    rows = zip(outlines, places, strict=True)
    return loft(np.array([np.insert(row, at, y, axis=1) for row, y in rows]))


def stack(levels: Rows, power: float = 2.0, sides: int = 20) -> Solid:
    """Stretch a skin over superellipses (y, width, depth) at rising y."""
    unit = ring(1.0, 1.0, power, sides)
    rows = np.asarray(levels, dtype=np.float64)
    return skin([unit * row[1:] for row in rows], rows[:, 0])


def revolve(profile: Rows, sides: int = 20) -> Solid:
    """Turn a profile of (radius, y) about the y axis.

    The profile of a hollow body runs up its outside and down its inside.
    """
    rows = np.asarray(profile, dtype=np.float64)
    levels = np.stack([rows[:, 1], 2 * rows[:, 0], 2 * rows[:, 0]], axis=1)
    return stack(levels, sides=sides)


def cylinder(
    radius: float, height: float, top: float | None = None, sides: int = 16
) -> Solid:
    """Make an upright cylinder at the origin, a frustum with another top."""
    end = radius if top is None else top
    return revolve([(radius, -height / 2), (end, height / 2)], sides)


def cushion(
    width: float,
    height: float,
    depth: float,
    power: float = 6.0,
    edge: float = 0.15,
) -> Solid:
    """Make a box with soft edges at the origin.

    Args:
        width: Extent along x.
        height: Extent along y.
        depth: Extent along z.
        power: Roundness seen from above, as of :func:`ring`.
        edge: Size of the bevel as a share of the smallest extent.
    """
    bevel = edge * min(width, height, depth)
    inner = (width - 2 * bevel, depth - 2 * bevel)
    half = height / 2
    rows = [(-half, *inner), (bevel - half, width, depth)]
    rows += [(half - bevel, width, depth), (half, *inner)]
    return stack(rows, power, sides=28)


def plate(outline: np.ndarray, thickness: float) -> Solid:
    """Make a flat plate of an outline (S, 2) in x and z, star-shaped."""
    return skin([outline, outline], [-thickness / 2, thickness / 2])


def tube(path: Rows, radius: float, sides: int = 8) -> Solid:
    """Sweep a circle along a path (P, 3), without twist."""
    line = np.asarray(path, dtype=np.float64)
    tangents = np.gradient(line, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    side = np.eye(3)[np.argmin(np.abs(tangents[0]))]
    frames = np.empty((len(line), 2, 3))
    for index, tangent in enumerate(tangents):
        side = side - (side @ tangent) * tangent
        side = side / np.linalg.norm(side)
        frames[index] = side, np.cross(tangent, side)
    circle = ring(2 * radius, 2 * radius, sides=sides) @ frames
    return loft(line[:, None] + circle)


def rod(
    start: Sequence[float], end: Sequence[float], radius: float, sides: int = 8
) -> Solid:
    """Make a round bar between two points (3,); 4 sides make it square."""
    return tube([start, end], radius, sides)


def smooth(knots: Rows, steps: int = 4) -> np.ndarray:
    """Compute a smooth curve ((P - 1) * steps + 1, D) through knots (P, D)."""
    points = np.asarray(knots, dtype=np.float64)
    places = np.arange(len(points))
    fine = np.linspace(0, places[-1], steps * places[-1] + 1)
    return PchipInterpolator(places, points)(fine)


def vessel(outer: Rows, thickness: float) -> Solid:
    """Turn the outside (radius, y) of a vessel, bottom to rim, hollow it."""
    outside = np.asarray(outer, dtype=np.float64)
    inside = outside - [thickness, 0.0]
    inside[:, 0] = np.maximum(inside[:, 0], 0.2 * outside[:, 0])
    inside[:, 1] = np.maximum(inside[:, 1], outside[0, 1] + thickness)
    return revolve(np.concatenate([outside, inside[::-1]]))


def frame(width: float, height: float, bar: float, depth: float) -> Solid:
    """Join four bars around a rectangle that stands on y = 0."""
    upright = pair(box(bar, height, depth).at(x=(width - bar) / 2))
    across = pair(box(width, bar, depth).at(y=(height - bar) / 2), 'y')
    return join(upright, across).at(y=height / 2)
