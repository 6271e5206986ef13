"""Polygons of meshes, divided into triangles."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

# Share of a polygon's area below which a piece of it counts as flat.
_FLAT = 1e-9


def triangulate(
    vertices: np.ndarray, faces: Sequence[Sequence[int]] | np.ndarray
) -> np.ndarray:
    """Divide faces into triangles (F, 3) that cover them once.

    Convex polygons become fans, the others lose one ear after another; those
    that cross themselves are refused. The order of the faces is kept.

    Args:
        vertices: (V, 3).
        faces: Indices of the vertices of each face.

    Source: Meisters, Polygons Have Ears, 1975.
    """
    if not len(faces):
        return np.empty((0, 3), np.int64)
    lengths = np.fromiter(map(len, faces), np.int64, len(faces))
    if isinstance(faces, np.ndarray) and faces.ndim == 2:
        flat = faces.reshape(-1).astype(np.int64)
    else:
        flat = np.fromiter(chain.from_iterable(faces), np.int64)
    in_range = flat.size and 0 <= flat.min() <= flat.max() < len(vertices)
    if not in_range or not lengths.all():
        raise ValueError(
            'a face has no vertices, or one that is not there: there are '
            f'{len(vertices)}, got {flat.max(initial=-1)}'
        )
    starts = np.cumsum(lengths) - lengths
    triangles, order = [], []
    for length in np.unique(lengths[lengths >= 3]).tolist():
        chosen = np.flatnonzero(lengths == length)
        polygons = flat[starts[chosen, None] + np.arange(length)]
        fans = np.stack(
            [
                np.repeat(polygons[:, :1], length - 2, axis=1),
                polygons[:, 1:-1],
                polygons[:, 2:],
            ],
            axis=2,
        )
        convex = np.ones(len(fans), bool)
        if length > 3:
            convex = _are_fans(vertices[fans])
        triangles.append(fans[convex].reshape(-1, 3))
        order.append(np.repeat(chosen[convex], length - 2))
        for number in np.flatnonzero(~convex).tolist():
            pieces = _clip_ears(vertices, polygons[number], chosen[number])
            triangles.append(pieces)
            order.append(np.repeat(chosen[number], len(pieces)))
    if not triangles:
        return np.empty((0, 3), np.int64)
    merged = np.concatenate(triangles)
    return merged[np.argsort(np.concatenate(order), kind='stable')]


def _are_fans(corners: np.ndarray) -> np.ndarray:
    """Tell which fans (P, T, 3, 3) have no triangle turned over."""
    with np.errstate(all='ignore'):
        normals = np.cross(
            corners[:, :, 1] - corners[:, :, 0],
            corners[:, :, 2] - corners[:, :, 0],
        )
        total = normals.sum(axis=1)
        areas = (normals * total[:, None]).sum(axis=2)
        square = (total * total).sum(axis=1)
        # Faces with NaN are refused by their area.
        turned = (areas < -_FLAT * square[:, None]).any(axis=1)
        turned |= square < _FLAT * (normals * normals).sum(axis=(1, 2))
        return ~turned


def _clip_ears(
    vertices: np.ndarray, polygon: np.ndarray, number: int
) -> np.ndarray:
    """Divide a polygon (K,) by cutting off its ears, (T, 3)."""
    corners = vertices[polygon].astype(np.float64)
    corners = corners - corners[0]
    normal = np.cross(corners, np.roll(corners, -1, axis=0)).sum(axis=0)
    # Seen along the largest part of its normal.
    axis = int(np.abs(normal).argmax())
    plane = np.delete(corners, axis, axis=1)
    if (normal[axis] > 0) == (axis == 1):
        plane = plane[:, ::-1]
    twice_area = abs(normal[axis])
    left, pieces = list(range(len(polygon))), []
    while len(left) > 3:
        ear = _find_ear(plane, left, _FLAT * twice_area)
        if ear is None:
            break
        before, after = left[ear - 1], left[(ear + 1) % len(left)]
        pieces.append((before, left[ear], after))
        del left[ear]
    pieces.append((left[0], left[1], left[2]))
    a, b, c = plane[np.array(pieces)].transpose(1, 0, 2)
    covered = np.abs(_cross(b - a, c - a)).sum()
    turns_once = abs(_turning(plane) - 2 * np.pi) < 1
    if not turns_once or len(left) > 3 or covered > twice_area * (1 + 1e-6):
        raise ValueError(
            f'face {number} of {len(polygon)} vertices crosses itself; '
            'divide it into triangles'
        )
    return polygon[np.array(pieces)]


def _turning(plane: np.ndarray) -> float:
    """Sum the angles by which the edges of a polygon turn."""
    edges = np.roll(plane, -1, axis=0) - plane
    edges = edges[edges.any(axis=1)]
    following = np.roll(edges, -1, axis=0)
    dots = (edges * following).sum(axis=1)
    return float(np.arctan2(_cross(edges, following), dots).sum())


def _find_ear(plane: np.ndarray, left: list[int], flat: float) -> int | None:
    """Find a corner whose triangle holds no other corner."""
    remaining = plane[left]
    before, after = np.roll(remaining, 1, axis=0), np.roll(remaining, -1, 0)
    turns = _cross(remaining - before, after - remaining)
    for index in range(len(left)):
        if turns[index] < -flat:
            continue
        a, b, c = before[index], remaining[index], after[index]
        inside = (
            (_cross(b - a, remaining - a) > flat)
            & (_cross(c - b, remaining - b) > flat)
            & (_cross(a - c, remaining - c) > flat)
        )
        # A corner on the cut is in the way, on the two edges it is not.
        on_cut = np.abs(_cross(a - c, remaining - c)) <= flat
        along = ((remaining - a) * (c - a)).sum(axis=1)
        on_cut &= (along > flat) & (along < ((c - a) ** 2).sum() - flat)
        if turns[index] <= flat or not (inside | on_cut).any():
            return index
    return None


def _cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
