"""Parametric solids from which the categories are built.

Every function returns a closed mesh with outward faces, y up. Almost all of
them are lofts: skins stretched over a row of rings.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .mesh import Mesh, oriented

_BOX_SIGNS = np.array(
    [[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]
)
_BOX_FACES = np.array(
    [
        [0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5],
        [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6],
        [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3],
    ]
)  # fmt: skip


def box(
    width: float,
    height: float,
    depth: float,
    *,
    taper: tuple[float, float] = (1.0, 1.0),
) -> Mesh:
    """Return a box centred at the origin.

    Args:
        width: Extent along x.
        height: Extent along y.
        depth: Extent along z.
        taper: Factors of width and depth at the top face.
    """
    vertices = _BOX_SIGNS * np.array([width, height, depth])
    top = vertices[:, 1] > 0
    vertices[top, 0] *= taper[0]
    vertices[top, 2] *= taper[1]
    return Mesh(vertices, _BOX_FACES)


def ring(
    width: float, depth: float, *, power: float = 2.0, sides: int = 20
) -> np.ndarray:
    """Return a superellipse as (S, 2) points around the origin.

    Args:
        width: Full extent of the first coordinate.
        depth: Full extent of the second coordinate.
        power: 2 is an ellipse; the larger, the closer to a rectangle.
        sides: Number of points S.
    """
    angle = (np.arange(sides) + 0.5) * (2 * np.pi / sides)
    wave = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rounded = np.sign(wave) * np.abs(wave) ** (2 / power)
    return rounded * np.array([width / 2, depth / 2])


def loft(rings: np.ndarray, *, closed: bool = False) -> Mesh:
    """Return the solid stretched over a row of rings.

    Args:
        rings: (R, S, 3) corners of R rings with S points each.
        closed: Join the last ring to the first (a torus) instead of closing
            both ends by flat caps.
    """
    num_rings, sides, _ = rings.shape
    index = np.arange(num_rings * sides).reshape(num_rings, sides)
    lower = index if closed else index[:-1]
    upper = np.roll(index, -1, axis=0) if closed else index[1:]
    right = np.roll(lower, -1, axis=1), np.roll(upper, -1, axis=1)
    faces = [
        np.stack([lower, upper, right[1]], axis=-1).reshape(-1, 3),
        np.stack([lower, right[1], right[0]], axis=-1).reshape(-1, 3),
    ]
    vertices = rings.reshape(-1, 3)
    if not closed:
        middles = rings[[0, -1]].mean(axis=1)
        vertices = np.concatenate([vertices, middles])
        bottom, top = index[0], index[-1]
        first, last = len(vertices) - 2, len(vertices) - 1
        faces.append(
            np.stack(
                [np.full(sides, first), bottom, np.roll(bottom, -1)], axis=-1
            )
        )
        faces.append(
            np.stack([np.full(sides, last), np.roll(top, -1), top], axis=-1)
        )
    return oriented(Mesh(vertices, np.concatenate(faces)))


def stack(
    levels: Sequence[tuple[float, float, float]],
    *,
    power: float = 2.0,
    sides: int = 20,
) -> Mesh:
    """Return a solid made of superellipse rings at rising heights.

    Args:
        levels: (y, width, depth) per ring.
        power: Roundness of the rings, as in :func:`ring`.
        sides: Points per ring.
    """
    unit = ring(1.0, 1.0, power=power, sides=sides)
    rows = np.asarray(levels, dtype=np.float64)
    rings = np.empty((len(rows), sides, 3))
    rings[..., 0] = unit[None, :, 0] * rows[:, 1:2]
    rings[..., 1] = rows[:, 0:1]
    rings[..., 2] = unit[None, :, 1] * rows[:, 2:3]
    return loft(rings)


def revolve(
    profile: Sequence[tuple[float, float]] | np.ndarray, *, sides: int = 24
) -> Mesh:
    """Return the surface of revolution of a profile about the y axis.

    Args:
        profile: (R, 2) radius and height. A hollow body runs up its outside
            and down its inside.
        sides: Points per ring.
    """
    rows = np.asarray(profile, dtype=np.float64)
    levels = np.stack([rows[:, 1], 2 * rows[:, 0], 2 * rows[:, 0]], axis=1)
    return stack(levels, sides=sides)


def cylinder(
    radius: float,
    height: float,
    *,
    top: float | None = None,
    sides: int = 16,
) -> Mesh:
    """Return an upright cylinder, frustum or cone centred at the origin.

    Args:
        radius: Radius at the bottom.
        height: Extent along y.
        top: Radius at the top; None keeps `radius`, 0 makes a cone.
        sides: Points per ring.
    """
    end = radius if top is None else top
    return revolve([(radius, -height / 2), (end, height / 2)], sides=sides)


def ellipsoid(
    width: float, height: float, depth: float, *, rows: int = 10
) -> Mesh:
    """Return an ellipsoid with the given full extents, at the origin."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, rows)
    mesh = revolve(np.stack([np.cos(angle), np.sin(angle)], axis=1) / 2)
    return mesh.scaled(width, height, depth)


def rounded_box(
    width: float,
    height: float,
    depth: float,
    *,
    power: float = 6.0,
    edge: float = 0.15,
) -> Mesh:
    """Return a box with soft edges (a cushion), centred at the origin.

    Args:
        width: Extent along x.
        height: Extent along y.
        depth: Extent along z.
        power: Roundness seen from above, as in :func:`ring`.
        edge: Size of the bevel as a share of the smallest extent.
    """
    bevel = edge * min(width, height, depth)
    half = height / 2
    inner = (width - 2 * bevel, depth - 2 * bevel)
    return stack(
        [
            (-half, *inner),
            (bevel - half, width, depth),
            (half - bevel, width, depth),
            (half, *inner),
        ],
        power=power,
        sides=28,
    )


def plate(outline: np.ndarray, thickness: float) -> Mesh:
    """Return a flat plate in the xz plane, centred in height.

    Args:
        outline: (S, 2) x and z of the border, star-shaped about its mean.
        thickness: Extent along y.
    """
    rings = np.empty((2, len(outline), 3))
    rings[..., 0] = outline[:, 0]
    rings[..., 2] = outline[:, 1]
    rings[0, :, 1] = -thickness / 2
    rings[1, :, 1] = thickness / 2
    return loft(rings)


def tube(
    path: Sequence[Sequence[float]] | np.ndarray,
    radius: float | Sequence[float],
    *,
    sides: int = 8,
    closed: bool = False,
) -> Mesh:
    """Return a round tube swept along a path.

    The frame is carried along without twist.

    Args:
        path: (P, 3) points of the centre line.
        radius: Radius, or one radius per point.
        sides: Points per ring.
        closed: Join the end to the start (a torus).
    """
    line = np.asarray(path, dtype=np.float64)
    if closed:
        tangents = np.roll(line, -1, axis=0) - np.roll(line, 1, axis=0)
    else:
        tangents = np.gradient(line, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True) + 1e-12
    side = np.eye(3)[np.argmin(np.abs(tangents[0]))]
    frames = np.empty((len(line), 2, 3))
    for row, tangent in enumerate(tangents):
        side = side - (side @ tangent) * tangent
        side = side / (np.linalg.norm(side) + 1e-12)
        frames[row] = side, np.cross(tangent, side)
    angle = np.arange(sides) * (2 * np.pi / sides)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    radii = np.broadcast_to(np.asarray(radius, dtype=np.float64), len(line))
    rings = line[:, None] + radii[:, None, None] * (circle @ frames)
    return loft(rings, closed=closed)


def rod(
    start: Sequence[float],
    end: Sequence[float],
    radius: float,
    *,
    end_radius: float | None = None,
    sides: int = 8,
) -> Mesh:
    """Return a straight round bar between two points.

    Args:
        start: (3,) first end.
        end: (3,) second end.
        radius: Radius at the start.
        end_radius: Radius at the end; None keeps `radius`.
        sides: Points per ring.
    """
    last = radius if end_radius is None else end_radius
    return tube([start, end], [radius, last], sides=sides)


def torus(major: float, minor: float) -> Mesh:
    """Return a torus lying in the xz plane at the origin.

    Args:
        major: Radius of the centre circle.
        minor: Radius of the tube.
    """
    angle = np.arange(24) * (2 * np.pi / 24)
    circle = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], axis=1)
    return tube(major * circle, minor, closed=True)


def smooth(
    knots: Sequence[Sequence[float]] | np.ndarray, steps: int = 5
) -> np.ndarray:
    """Return a Catmull-Rom curve through knots.

    Args:
        knots: (P, D) points that the curve passes, P at least 2.
        steps: Pieces per knot interval.

    Returns:
        ((P - 1) * steps + 1, D) points.
    """
    points = np.asarray(knots, dtype=np.float64)
    slopes = np.gradient(points, axis=0)
    t = (np.arange(steps) / steps)[None, :, None]
    start, end = points[:-1, None], points[1:, None]
    curve = (
        (2 * t**3 - 3 * t**2 + 1) * start
        + (t**3 - 2 * t**2 + t) * slopes[:-1, None]
        + (3 * t**2 - 2 * t**3) * end
        + (t**3 - t**2) * slopes[1:, None]
    )
    return np.concatenate([curve.reshape(-1, points.shape[1]), points[-1:]])


def hollow(outer: np.ndarray, thickness: float) -> np.ndarray:
    """Return the closed profile of a vessel from its outside.

    Args:
        outer: (R, 2) radius and height from the bottom to the rim.
        thickness: Thickness of wall and floor.

    Returns:
        (2R + 2, 2) profile for :func:`revolve`: from the axis up the
        outside, over the rim and down the inside to the axis.
    """
    inner = outer.copy()
    inner[:, 0] = np.maximum(outer[:, 0] - thickness, 0.2 * outer[:, 0])
    inner[:, 1] = np.maximum(outer[:, 1], outer[0, 1] + thickness)
    bottom, floor = [[0.0, outer[0, 1]]], [[0.0, inner[0, 1]]]
    return np.concatenate([bottom, outer, inner[::-1], floor])
