"""Clouds of an object: complete, or as a depth camera sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .camera import Camera, look_at, render_depth, unit_normals
from .category import Shape
from .solids import box, join, rotation

_PIXELS = 112  # width of a depth image that an object fills
_GRAZING = 0.08  # surfaces seen at a smaller cosine are not measured
_NEAR, _FAR = 2.4, 4.0  # distance of the camera, in object radii


@dataclass(frozen=True)
class ScanOptions:
    """How an object becomes a cloud.

    Args:
        one_sided: Only what a depth camera sees from one random place; the
            object is turned at random about the up axis. False: the complete
            surface in its canonical pose.
        noise: Standard deviation of the measurement in object radii; it
            grows with the squared depth and acts mostly along the ray.
        tilt: Largest tilt of the up axis, in degrees.
        clutter: Mean share of points on the floor and on small things lying
            there; every cloud draws its own share, up to twice this.
    """

    one_sided: bool = True
    noise: float = 0.01
    tilt: float = 30.0
    clutter: float = 0.06


class Cloud(NamedTuple):
    """Points on the surface of a shape, in the unit sphere.

    Attributes:
        points: (N, 3) float32.
        normals: (N, 3) float32, unit length, outward.
        labels: (N,) int64, part ids, -1 for clutter.
        camera: (3,) float32 place of the camera; None for a complete cloud.
    """

    points: np.ndarray
    normals: np.ndarray
    labels: np.ndarray
    camera: np.ndarray | None = None


def scan_shape(
    shape: Shape,
    num_points: int,
    options: ScanOptions,
    rng: np.random.Generator,
) -> Cloud:
    """Scan an object.

    Args:
        shape: The object, standing on y = 0.
        num_points: N.
        options: Complete or one-sided, noise, tilt, clutter.
        rng: Source of randomness.
    """
    vertices = shape.vertices - np.ptp(shape.vertices, axis=0) * [0, 0.5, 0]
    vertices = vertices / np.linalg.norm(vertices, axis=1).max()
    if options.one_sided:
        vertices = vertices @ rotation('y', rng.uniform(0, 2 * np.pi)).T
    corners, labels = vertices[shape.faces], shape.labels
    if options.clutter > 0:
        clutter = _clutter(vertices[:, 1].min(), rng)
        corners = np.concatenate([corners, clutter])
        labels = np.concatenate([labels, np.full(len(clutter), -1)])
    share = min(1.0, rng.uniform(0, 2 * options.clutter))
    eye = _draw_eye(rng)
    sample = _seen if options.one_sided else _sampled
    points, faces = sample(corners, labels < 0, share, num_points, eye, rng)
    points = _noisy(points, eye, options, rng)
    turn = _tilt(options.tilt, rng)
    points = points @ turn.T
    center = points.mean(axis=0)
    radius = np.linalg.norm(points - center, axis=1).max()
    normals = unit_normals(corners[faces]) @ turn.T
    camera = ((turn @ eye - center) / radius).astype(np.float32)
    return Cloud(
        ((points - center) / radius).astype(np.float32),
        normals.astype(np.float32),
        labels[faces].astype(np.int64),
        camera if options.one_sided else None,
    )


def _draw_rows(
    weights: np.ndarray,
    is_clutter: np.ndarray,
    share: float,
    number: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw rows by weight; the clutter's are a share of them."""
    weights = weights.astype(np.float64)
    for rows, part in ((is_clutter, share), (~is_clutter, 1 - share)):
        weights[rows] *= part / max(weights[rows].sum(), 1e-12)
    return rng.choice(len(weights), number, p=weights / weights.sum())


def _draw_eye(rng: np.random.Generator) -> np.ndarray:
    """Draw the place of the camera (3,), mostly above the object."""
    azimuth = rng.uniform(0, 2 * np.pi)
    elevation = np.deg2rad(rng.uniform(0, 50))
    level = np.cos(elevation)
    direction = [level * np.cos(azimuth), np.sin(elevation),
                 level * np.sin(azimuth)]  # fmt: skip
    return np.array(direction) * rng.uniform(_NEAR, _FAR)


def _tilt(degrees: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a rotation (3, 3) about a horizontal axis."""
    heading = rotation('y', rng.uniform(0, 2 * np.pi))
    angle = np.deg2rad(rng.uniform(-degrees, degrees))
    return heading @ rotation('x', angle) @ heading.T


def _clutter(ground: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a piece of floor with up to two boxes on it, corners (F, 3, 3)."""
    width = rng.uniform(0.8, 1.6)
    solids = [box(width, 0.002, width).turned('y', rng.uniform(0, np.pi))]
    for _ in range(int(rng.integers(0, 3))):
        sizes = rng.uniform(0.06, 0.22, 3)
        thing = box(*sizes).at(rng.uniform(0.4, 0.8), sizes[1] / 2)
        solids.append(thing.turned('y', rng.uniform(0, 2 * np.pi)))
    whole = join(*solids).at(y=ground)
    return whole.vertices[whole.faces]


def _sampled(
    corners: np.ndarray,
    is_clutter: np.ndarray,
    share: float,
    number: int,
    eye: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw points (N, 3) all over the faces, and their faces (N,)."""
    sides = corners[:, 1:] - corners[:, :1]
    area = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1)
    faces = _draw_rows(area, is_clutter, share, number, rng)
    shares = rng.dirichlet(np.ones(3), number)
    return np.einsum('nc,ncd->nd', shares, corners[faces]), faces


def _seen(
    corners: np.ndarray,
    is_clutter: np.ndarray,
    share: float,
    number: int,
    eye: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw points (N, 3) of a depth image, and their faces (N,)."""
    focal = 0.47 * _PIXELS * np.sqrt(eye @ eye - 1)
    pose = look_at(eye, np.zeros(3), up=1)
    camera = Camera(pose, focal, _PIXELS, _PIXELS)
    depth, face = render_depth(corners, camera)
    seen = face >= 0
    rays, depth, face = camera.rays()[seen], depth[seen], face[seen]
    normals = unit_normals(corners)[face]
    slope = (rays * normals).sum(axis=1)
    clear = -slope > _GRAZING * np.linalg.norm(rays, axis=1)
    rows = np.flatnonzero(clear)
    rows = rows[
        _draw_rows(clear[rows], is_clutter[face[rows]], share, number, rng)
    ]
    # A point may be anywhere in its pixel, on the plane of its face.
    cell = depth[rows, None] / focal
    shift = cell * rng.uniform(-0.5, 0.5, (number, 2)) @ pose[:3, :2].T
    along = -(shift * normals[rows]).sum(axis=1) / slope[rows]
    along = np.clip(along[:, None], -3 * cell, 3 * cell)
    points = eye + rays[rows] * (depth[rows, None] + along) + shift
    return points, face[rows]


def _noisy(
    points: np.ndarray,
    eye: np.ndarray,
    options: ScanOptions,
    rng: np.random.Generator,
) -> np.ndarray:
    """Add the noise of the measurement to points (N, 3)."""
    if not options.one_sided:
        return points + rng.normal(0, 1, points.shape) * options.noise
    rays = points - eye
    depth = np.linalg.norm(rays, axis=1, keepdims=True)
    scale = options.noise * (depth / np.linalg.norm(eye)) ** 2
    along = rng.normal(0, 1, depth.shape) * scale
    across = rng.normal(0, 0.3, points.shape) * scale
    return points + along * rays / depth + across
