"""Draws points as small shaded balls, with NumPy alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_AZIMUTH = np.deg2rad(40.0)
_ELEVATION = np.deg2rad(22.0)
_CAMERA = 5.0  # distance of the eye, in radii of the cloud
_SAMPLES = 2  # picture elements drawn per element kept, along each side
_BACKGROUND = 1.0
_LIGHT = np.array([-0.45, 0.55, 0.70])
_AT_ONCE = 2_000_000  # elements of balls that are held in memory


class Frame(NamedTuple):
    """What a panel shows: a ball in space, seen from a direction.

    Attributes:
        center: (3,) middle, in the frame whose z axis is up.
        radius: What fits into the picture, in units of the points.
        azimuth: Direction of the eye around the up axis, radians.
        elevation: Height of the eye above the horizon, radians.
    """

    center: np.ndarray
    radius: float
    azimuth: float = _AZIMUTH
    elevation: float = _ELEVATION


def _view_axes(frame: Frame) -> np.ndarray:
    """Return (3, 3) rows: right, up and away from the eye."""
    sin_a, cos_a = np.sin(frame.azimuth), np.cos(frame.azimuth)
    sin_e, cos_e = np.sin(frame.elevation), np.cos(frame.elevation)
    toward = np.array([cos_e * cos_a, cos_e * sin_a, sin_e])
    right = np.array([-sin_a, cos_a, 0.0])
    return np.stack([right, np.cross(toward, right), -toward])


def fit_frame(points: np.ndarray, elevation: float = _ELEVATION) -> Frame:
    """Return the frame that a cloud fills.

    Args:
        points: (N, 3), z up.
        elevation: Height of the eye above the horizon, radians.
    """
    axes = _view_axes(Frame(np.zeros(3), 1.0, elevation=elevation))
    local = points @ axes.T
    low, high = local.min(axis=0), local.max(axis=0)
    radius = float((high - low).max()) / 2
    # The eye's perspective enlarges what is near, by up to a fifth.
    center = (low + high) / 2 @ axes
    return Frame(center, max(1.15 * radius, 1e-9), elevation=elevation)


def filled_share(points: np.ndarray, frame: Frame) -> float:
    """Return how far a cloud reaches from a picture's middle to its edge.

    Args:
        points: (N, 3), z up.
        frame: What the picture shows.

    Returns:
        1 if the farthest point is on the edge, more if it is outside.
    """
    places = _project(points, frame, 2)[:, :2]
    return float(np.abs(places - 1).max())


def _project(points: np.ndarray, frame: Frame, size: int) -> np.ndarray:
    """Return (N, 3): column, row and depth in radii (0 at the centre)."""
    local = (points - frame.center) / frame.radius @ _view_axes(frame).T
    away = np.maximum(_CAMERA + local[:, 2], 1e-6)
    scale = 0.47 * size * _CAMERA / away
    column = size / 2 + local[:, 0] * scale
    row = size / 2 - local[:, 1] * scale
    return np.stack([column, row, local[:, 2]], axis=1)


def draw_points(
    points: np.ndarray,
    colors: np.ndarray,
    size: int,
    *,
    frame: Frame | None = None,
    ball: float | None = None,
) -> np.ndarray:
    """Return a square picture of a cloud, (size, size, 3) uint8.

    Points are balls with light from the upper left, in perspective; what is
    further away is paler.

    Args:
        points: (N, 3), z up.
        colors: (N, 3) in [0, 1].
        size: Width and height in picture elements, at least 16.
        frame: What to show; None fits the cloud.
        ball: Radius of a ball as a share of the picture; None chooses by the
            number of points.

    Raises:
        ValueError: If the picture would be too small.
    """
    if size < 16:
        raise ValueError(
            f'size must be at least 16 picture elements, got {size}; '
            'enlarge the panel'
        )
    frame = fit_frame(points) if frame is None else frame
    if ball is None:
        ball = float(np.clip(0.42 / np.sqrt(len(points)), 0.005, 0.022))
    canvas = size * _SAMPLES
    radius = max(ball * canvas, 1.5)
    place = _project(points, frame, canvas)
    reach = int(np.ceil(radius))
    steps = np.arange(-reach, reach + 1)
    dx, dy = (part.ravel() for part in np.meshgrid(steps, steps))
    inside = dx**2 + dy**2 <= radius**2
    dx, dy = dx[inside], dy[inside]
    dz = np.sqrt(radius**2 - dx**2 - dy**2)
    light = _LIGHT / np.linalg.norm(_LIGHT)
    shade = (np.stack([dx, -dy, dz], axis=1) / radius) @ light
    shade = 0.52 + 0.55 * np.maximum(shade, 0.0)
    haze = 0.45 * np.clip((place[:, 2:] + 1) / 2, 0, 1)
    tone = colors * (1 - haze) + 0.93 * haze
    picture = np.full((canvas * canvas, 3), _BACKGROUND)
    disc = np.stack([dx, dy, -dz * (2 / canvas)], axis=1)
    owner, offset = _front_most(place, disc, canvas)
    hit = owner >= 0
    lit = tone[owner[hit]] * shade[offset[hit], None]
    picture[hit] = np.clip(lit, 0, 1)
    grid = picture.reshape(size, _SAMPLES, size, _SAMPLES, 3)
    return np.round(255 * grid.mean(axis=(1, 3))).astype(np.uint8)


def _front_most(
    place: np.ndarray, ball: np.ndarray, canvas: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return per picture element the nearest point and its ball's element.

    Args:
        place: (N, 3): column, row and depth of the points, small is near.
        ball: (P, 3): what the elements of a ball add to these.
        canvas: Width of the picture.

    Returns:
        Two (canvas * canvas,) arrays of indices, -1 where nothing falls.
    """
    owner = np.full(canvas * canvas, -1)
    offset, nearest = owner.copy(), np.full(canvas * canvas, np.inf)
    shift = ball[:, :2].astype(np.int64)
    # Far outside of the picture, numbers of any size are alike.
    corner = np.round(np.clip(place[:, :2], -canvas, 2 * canvas))
    corner = corner.astype(np.int64)
    # What is behind the eye is not seen.
    corner[place[:, 2] <= -_CAMERA] = -canvas
    step = max(1, _AT_ONCE // len(ball))
    for start in range(0, len(place), step):
        part = slice(start, start + step)
        column = corner[part, :1] + shift[:, 0]
        row = corner[part, 1:] + shift[:, 1]
        depth = place[part, 2:] + ball[:, 2]
        fits = (column >= 0) & (column < canvas) & (row >= 0) & (row < canvas)
        target = (row * canvas + column)[fits]
        kept, near = np.flatnonzero(fits), depth[fits]
        # Of several values for one place NumPy keeps the last: the nearest.
        order = np.argsort(-near, kind='stable')
        order = order[near[order] <= nearest[target[order]]]
        target, kept, near = target[order], kept[order], near[order]
        nearest[target] = near
        owner[target] = start + kept // len(ball)
        offset[target] = kept % len(ball)
    return owner, offset
