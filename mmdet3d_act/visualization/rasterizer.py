"""Draws points as small shaded balls, with NumPy alone."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np

_AZIMUTH = np.deg2rad(40.0)
_ELEVATION = np.deg2rad(22.0)
_CAMERA = 5.0  # distance of the eye, in radii of the cloud
_SAMPLES = 2  # picture elements drawn per element kept, along each side
_BACKGROUND = 1.0
_LIGHT = np.array([-0.45, 0.55, 0.70])


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
    """Find the view's axes: (3, 3) rows right, up and away from the eye."""
    sin_a, cos_a = np.sin(frame.azimuth), np.cos(frame.azimuth)
    sin_e, cos_e = np.sin(frame.elevation), np.cos(frame.elevation)
    toward = np.array([cos_e * cos_a, cos_e * sin_a, sin_e])
    right = np.array([-sin_a, cos_a, 0.0])
    return np.stack([right, np.cross(toward, right), -toward])


def fit_frame(points: np.ndarray, elevation: float = _ELEVATION) -> Frame:
    """Fit a frame that a cloud fills.

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


def _project(points: np.ndarray, frame: Frame, size: int) -> np.ndarray:
    """Project to (N, 3): column, row and depth in radii (0 at the centre)."""
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
    """Draw a cloud: (size, size, 3) uint8.

    Points are balls with light from the upper left, in perspective; what is
    further away is paler.

    Args:
        points: (N, 3), z up.
        colors: (N, 3) in [0, 1].
        size: Width and height in picture elements.
        frame: What to show; None fits the cloud.
        ball: Radius of a ball as a share of the picture; None chooses by the
            number of points.
    """
    frame = fit_frame(points) if frame is None else frame
    canvas = size * _SAMPLES
    if ball is None:
        ball = float(np.clip(0.42 / np.sqrt(len(points)), 0.005, 0.022))
    radius = max(ball * canvas, 1.5)
    place = _project(points, frame, canvas)
    haze = 0.45 * np.clip((place[:, 2:] + 1) / 2, 0, 1)
    tone = colors * (1 - haze) + 0.93 * haze
    # What is behind the eye or far outside is not seen.
    middle = np.abs(place[:, :2] - canvas / 2).max(axis=1)
    seen = (place[:, 2] > -_CAMERA) & (middle < canvas / 2 + radius + 1)
    # From far to near: of several values for one place NumPy keeps the last.
    order = np.argsort(-place[:, 2], kind='stable')
    order = order[seen[order]]
    column, row = np.round(place[order, :2].T).astype(np.int64)
    depth, tone = place[order, 2], tone[order]
    nearest = np.full(canvas * canvas, np.inf)
    picture = np.full((canvas * canvas, 3), _BACKGROUND)
    for dx, dy, dz, light in _ball_elements(radius):
        x, y = column + dx, row + dy
        near = depth - dz * (2 / canvas)
        fits = (x >= 0) & (x < canvas) & (y >= 0) & (y < canvas)
        target = np.where(fits, y * canvas + x, 0)
        fits &= near <= nearest[target]
        nearest[target[fits]] = near[fits]
        picture[target[fits]] = tone[fits] * light
    picture = np.clip(picture, 0, 1)
    grid = picture.reshape(size, _SAMPLES, size, _SAMPLES, 3)
    return np.round(255 * grid.mean(axis=(1, 3))).astype(np.uint8)


def _ball_elements(radius: float) -> list[tuple[int, int, float, float]]:
    """List a ball's elements: column, row, height and brightness."""
    reach = range(-int(np.ceil(radius)), int(np.ceil(radius)) + 1)
    light = _LIGHT / np.linalg.norm(_LIGHT)
    elements = []
    for dx, dy in product(reach, reach):
        rest = radius**2 - dx**2 - dy**2
        if rest >= 0:
            dz = float(np.sqrt(rest))
            lit = float(np.array([dx, -dy, dz]) @ light) / radius
            elements.append((dx, dy, dz, 0.52 + 0.55 * max(lit, 0.0)))
    return elements
