"""Clouds of an object: complete, or as a depth sensor sees it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from .mesh import Cloud, Mesh, Shape, joined, rotation, sample_surface
from .primitives import box, cylinder, ellipsoid, plate, ring

_CELL = 0.035  # width of a depth-image cell at the object, in object radii
_DEPTH_SLACK = 0.06  # what lies further behind the nearest point is hidden
_NEAR, _FAR = 2.4, 4.0  # distance of the camera, in object radii


@dataclasses.dataclass(frozen=True)
class ScanOptions:
    """How an object becomes a cloud.

    Args:
        one_sided: Only what a depth sensor sees from one random place; the
            object is rotated at random about the up axis. False: the
            complete surface in its canonical pose.
        noise: Standard deviation of the measurement at the object's
            distance, in object radii; it grows with the squared depth and
            acts mostly along the viewing ray.
        tilt: Largest tilt of the up axis, in degrees.
        clutter: Mean share of points on the floor and on small things lying
            on it, in [0, 0.5]; every cloud draws its own share between 0 and
            twice this.

    Raises:
        ValueError: If a number is out of its range.
    """

    one_sided: bool = True
    noise: float = 0.01
    tilt: float = 30.0
    clutter: float = 0.06

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, high in (('noise', 1.0), ('tilt', 180.0), ('clutter', 0.5)):
            value = getattr(self, name)
            if not 0 <= value <= high:
                raise ValueError(
                    f'{name} must be in [0, {high:g}], got {value}; choose '
                    'a value in this range'
                )


def observe(
    shape: Shape,
    num_points: int,
    options: ScanOptions,
    rng: np.random.Generator,
) -> Cloud:
    """Return a cloud of an object, in the unit sphere around its mean.

    Args:
        shape: The object, standing on y = 0.
        num_points: N, at least 1.
        options: Complete or one-sided, noise, tilt, clutter.
        rng: Source of randomness.

    Raises:
        ValueError: If `num_points` is below 1.
    """
    vertices = (
        shape.vertices
        - (shape.vertices.min(axis=0) + shape.vertices.max(axis=0)) / 2
    )
    vertices = vertices / np.linalg.norm(vertices, axis=1).max()
    centered = shape._replace(vertices=vertices)
    share = rng.uniform(0, 2 * options.clutter)
    num_clutter = min(round(share * num_points), num_points - 1)
    camera = _draw_camera(rng)
    if options.one_sided:
        turn = rotation('y', rng.uniform(0, 2 * np.pi))
        centered = centered._replace(vertices=vertices @ turn.T)
    groups = [(centered, num_points - num_clutter)]
    if num_clutter > 0:
        groups.append((_clutter(centered, rng), num_clutter))
    if options.one_sided:
        cloud = _visible(groups, camera, rng)
    else:
        cloud = _merged([sample_surface(*group, rng) for group in groups])
    points = _noisy(cloud.points, camera, options, rng)
    return _finished(
        cloud._replace(points=points, camera=camera),
        _tilt(options.tilt, rng),
        keep_camera=options.one_sided,
    )


def _draw_camera(rng: np.random.Generator) -> np.ndarray:
    """Return a random place around the object, mostly looking down."""
    azimuth = rng.uniform(0, 2 * np.pi)
    elevation = np.deg2rad(rng.uniform(0, 50))
    direction = np.array(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.sin(elevation),
            np.cos(elevation) * np.sin(azimuth),
        ]
    )
    return direction * rng.uniform(_NEAR, _FAR)


def _tilt(degrees: float, rng: np.random.Generator) -> np.ndarray:
    """Return a rotation about a random horizontal axis."""
    heading = rotation('y', rng.uniform(0, 2 * np.pi))
    angle = np.deg2rad(rng.uniform(-degrees, degrees))
    return heading @ rotation('x', angle) @ heading.T


def _clutter(shape: Shape, rng: np.random.Generator) -> Shape:
    """Return a piece of floor with small things on it, labelled -1."""
    ground = shape.vertices[:, 1].min()
    radius = rng.uniform(0.4, 0.8)
    floor = plate(ring(2 * radius, 2 * radius), 0.002)
    shift = rng.uniform(-0.2, 0.2, 2)
    meshes: list[Mesh] = [floor.moved(shift[0], ground, shift[1])]
    for _ in range(int(rng.integers(0, 3))):
        size = rng.uniform(0.06, 0.22)
        height = size * rng.uniform(0.5, 1.5)
        kind = int(rng.integers(3))
        thing = (
            box(size, height, size * rng.uniform(0.5, 1.5)),
            cylinder(size / 2, height),
            ellipsoid(size, height, size),
        )[kind].turned('y', rng.uniform(0, np.pi))
        angle, away = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 0.8)
        meshes.append(
            thing.moved(
                away * math.cos(angle), ground + height / 2,
                away * math.sin(angle),
            )
        )  # fmt: skip
    whole = joined(meshes)
    labels = np.full(len(whole.faces), -1)
    return Shape(whole.vertices, whole.faces, labels, ())


def _merged(clouds: list[Cloud]) -> Cloud:
    """Return one cloud of all the points."""
    return Cloud(
        np.concatenate([cloud.points for cloud in clouds]),
        np.concatenate([cloud.normals for cloud in clouds]),
        np.concatenate([cloud.labels for cloud in clouds]),
    )


def _visible(
    groups: list[tuple[Shape, int]],
    camera: np.ndarray,
    rng: np.random.Generator,
) -> Cloud:
    """Return what the camera sees of every group, as many as asked.

    A coarse depth image over all groups decides what hides what; a surface
    is seen the more densely the more it faces the camera and the nearer it
    is, as in a real depth image.
    """
    dense = [
        sample_surface(shape, max(6 * number, 6000), rng)
        for shape, number in groups
    ]
    scene = _merged(dense)
    seen, weight = _depth_test(scene, camera)
    owner = np.repeat(np.arange(len(dense)), [len(d.points) for d in dense])
    keys = np.log(rng.random(len(weight)) + 1e-12) / weight
    chosen = []
    for index, (_, number) in enumerate(groups):
        mine = np.flatnonzero(seen & (owner == index))
        if len(mine) == 0:
            mine = np.flatnonzero(seen)
        best = mine[np.argsort(-keys[mine])[:number]]
        extra = rng.choice(mine, number - len(best))
        chosen.append(np.concatenate([best, extra]))
    order = rng.permutation(np.concatenate(chosen))
    return Cloud(
        scene.points[order], scene.normals[order], scene.labels[order]
    )


def _depth_test(
    scene: Cloud, camera: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return (N,) bool whether a point is seen, and (N,) its density."""
    forward = -camera / np.linalg.norm(camera)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right = right / np.linalg.norm(right)
    axes = np.stack([right, np.cross(right, forward), forward])
    local = (scene.points - camera) @ axes.T
    depth = np.maximum(local[:, 2], 0.1)
    facing = -((scene.points - camera) * scene.normals).sum(axis=1)
    facing = facing / np.linalg.norm(scene.points - camera, axis=1)
    cell = _CELL / np.linalg.norm(camera)
    pixel = np.floor(local[:, :2] / depth[:, None] / cell).astype(np.int64)
    pixel = pixel - pixel.min(axis=0)
    flat = pixel[:, 0] * (pixel[:, 1].max() + 1) + pixel[:, 1]
    nearest = np.full(flat.max() + 1, np.inf)
    np.minimum.at(nearest, flat, depth)
    slack = _DEPTH_SLACK + _CELL * (1 / np.maximum(facing, 0.2) - 1)
    seen = (facing > 0.05) & (depth <= nearest[flat] + slack)
    return seen, np.maximum(facing, 0.05) / depth**2


def _noisy(
    points: np.ndarray,
    camera: np.ndarray,
    options: ScanOptions,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the points with measurement noise, (N, 3)."""
    if not options.one_sided:
        return points + rng.normal(0, 1, points.shape) * options.noise
    rays = points - camera
    depth = np.linalg.norm(rays, axis=1, keepdims=True)
    scale = options.noise * (depth / np.linalg.norm(camera)) ** 2
    along = rng.normal(0, 1, depth.shape) * scale
    across = rng.normal(0, 0.3, points.shape) * scale
    return points + along * rays / depth + across


def _finished(cloud: Cloud, turn: np.ndarray, *, keep_camera: bool) -> Cloud:
    """Return the cloud rotated and brought into the unit sphere."""
    points = cloud.points @ turn.T
    center = points.mean(axis=0)
    points = points - center
    radius = np.linalg.norm(points, axis=1).max()
    camera = None
    if keep_camera:
        camera = ((cloud.camera @ turn.T - center) / radius).astype(np.float32)
    return Cloud(
        (points / max(radius, 1e-12)).astype(np.float32),
        (cloud.normals @ turn.T).astype(np.float32),
        cloud.labels,
        camera,
    )
