"""Scans of rooms: RGB-D frames, and the labelled cloud that they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mmdet3d_act.datasets.scannet import DETECTION_IDS

from .camera import Camera, look_at, render_depth, unit_normals
from .items import NYU40
from .rooms import FurnishedRoom
from .solids import rotation

_FOCAL = 0.9  # focal length, in widths of the picture
_FAR = 6.0  # what is further away is not measured, metres
_GRAZING = 0.12  # surfaces seen at a smaller cosine are not measured
_SHELL = (NYU40['wall'], NYU40['floor'], NYU40['ceiling'])
_CANDIDATES = 24  # places tried for every view
_DISTANCE = 2.3  # metres to what is looked at, where there is room


@dataclass(frozen=True)
class RoomScanOptions:
    """How a room is scanned.

    Args:
        num_points: Points of the cloud, at most.
        num_views: RGB-D frames.
        width: Width of a frame, pixels.
        height: Height of a frame, pixels.
        noise: Strength of the noise of depth and colour; 1 is a first
            Kinect's, growing with the squared depth.
        min_points: Things with fewer points in the cloud have no box and
            their points no label.
        turned: Boxes follow the turn of a thing about the up axis, as in SUN
            RGB-D. False: they are parallel to the walls, as in ScanNet.
    """

    num_points: int = 50000
    num_views: int = 24
    width: int = 320
    height: int = 240
    noise: float = 0.4
    min_points: int = 30
    turned: bool = False


class RoomFrame(NamedTuple):
    """One RGB-D frame.

    Attributes:
        color: (H, W, 3) uint8, RGB.
        depth: (H, W) uint16, millimetres, 0 where nothing was measured.
        pose: (4, 4) camera to the scan's world.
    """

    color: np.ndarray
    depth: np.ndarray
    pose: np.ndarray


class RoomScan(NamedTuple):
    """A scanned room.

    Attributes:
        points: (N, 6) float32: x, y, z in metres, z up, in the scan's world,
            which is turned against the walls; red, green, blue 0 to 255.
        semantic: (N,) int64, NYU40 numbers, 0 without label.
        instance: (N,) int64, numbers from 1, 0 without label.
        boxes: (I, 7) centre, size and yaw of what has a box, in the aligned
            world; yaw is 0 unless boxes are turned.
        box_labels: (I,) int64, NYU40 numbers of the boxes.
        align: (4, 4) from the scan's world to the aligned one, whose axes
            are parallel to the walls.
        frames: The frames.
        intrinsic: (4, 4) projection of all frames, colour and depth.
    """

    points: np.ndarray
    semantic: np.ndarray
    instance: np.ndarray
    boxes: np.ndarray
    box_labels: np.ndarray
    align: np.ndarray
    frames: list[RoomFrame]
    intrinsic: np.ndarray


def scan_room(
    room: FurnishedRoom, options: RoomScanOptions, rng: np.random.Generator
) -> RoomScan:
    """Scan a room.

    The points are drawn from the pixels of all depth images, so that what no
    camera sees has none, and what is near or often looked at has many. A box
    is the extent of what was seen of a thing, as in ScanNet.
    """
    poses = plan_views(room, options.num_views, rng)
    paint = _Paint(room, rng)
    size = options.width, options.height
    cameras = [Camera(pose, _FOCAL * options.width, *size) for pose in poses]
    shots = [_shoot(room, paint, camera, options, rng) for camera in cameras]
    align, to_scan = _alignment(room, rng)
    frames = [shot[0]._replace(pose=to_scan @ shot[0].pose) for shot in shots]
    measured, exact, colors, instances = (
        np.concatenate(rows)
        for rows in zip(*(s[1] for s in shots), strict=True)
    )
    number = min(options.num_points, len(measured))
    drawn = rng.choice(len(measured), number, replace=False)
    labels = np.concatenate([[0], room.labels])
    counts = np.bincount(instances[drawn], minlength=len(labels))
    enough = counts >= options.min_points
    kept = np.where(enough[instances[drawn]], instances[drawn], 0)
    places = measured[drawn] @ to_scan[:3, :3].T + to_scan[:3, 3]
    with_box = np.flatnonzero(np.isin(labels, DETECTION_IDS) & enough)
    yaws = room.yaws if options.turned else np.zeros(len(room.yaws))
    middle = np.array([*room.size[:2] / 2, 0.0])
    boxes = [
        _box(exact[instances == index] - middle, yaws[index - 1])
        for index in with_box
    ]
    return RoomScan(
        np.concatenate([places, colors[drawn]], axis=1).astype(np.float32),
        labels[kept].astype(np.int64),
        kept.astype(np.int64),
        np.reshape(boxes, (-1, 7)),
        labels[with_box].astype(np.int64),
        align,
        frames,
        cameras[0].intrinsic,
    )


def _box(points: np.ndarray, yaw: float) -> np.ndarray:
    """Compute centre, size and yaw (7,) of points in a box of a yaw."""
    turn = rotation('z', yaw)
    local = points @ turn
    low, high = local.min(axis=0), local.max(axis=0)
    return np.array([*turn @ (low + high) / 2, *(high - low), yaw])


def _alignment(
    room: FurnishedRoom, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the scan's world: to the aligned one, and from the room's.

    It is turned by a random angle and begins at about the lowest corner of
    the room, as ScanNet's do; the aligned one begins in the middle of the
    floor.
    """
    half = room.size[:2] / 2
    align, to_aligned = np.eye(4), np.eye(4)
    align[:3, :3] = rotation('z', rng.uniform(-np.pi / 3, np.pi / 3))
    reach = np.abs(align[:2, :2]) @ half
    align[:3, 3] = -align[:3, :3] @ [*reach, rng.uniform(0.0, 0.1)]
    to_aligned[:2, 3] = -half
    return align, np.linalg.inv(align) @ to_aligned


def plan_views(
    room: FurnishedRoom, num_views: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Choose camera poses that show every thing of a room.

    Each looks at one thing, every fourth from as far as it can be.

    Returns:
        (4, 4) camera to world each, in the coordinates of the room.
    """
    things = room.blocks[~np.isin(room.labels, _SHELL)]
    middles = np.resize(rng.permutation(things.mean(axis=1)), (num_views, 3))
    return [
        _pose(room, things, middle, 10.0 if view % 4 == 3 else _DISTANCE, rng)
        for view, middle in enumerate(middles)
    ]


def _pose(
    room: FurnishedRoom,
    things: np.ndarray,
    target: np.ndarray,
    distance: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Choose the pose of the best of some random places.

    Args:
        room: The room.
        things: (T, 2, 3) boxes of what is in it.
        target: (3,) what is looked at.
        distance: How far from it a camera should be, metres.
        rng: Source of randomness.
    """
    margin = np.array([0.2, 0.2, 0.0])
    low, high = np.array([[0, 0, 1.25], [*room.size[:2], 1.75]])
    eyes = rng.uniform(low + margin, high - margin, (_CANDIDATES, 3))
    away = np.linalg.norm(eyes - target, axis=1)
    own = ((things[:, 0] <= target) & (target <= things[:, 1])).all(axis=1)
    share = np.linspace(0.1, 0.95, 12)[:, None, None]
    path = eyes + share * (target - eyes)
    hidden = _within(path, things[~own], 0.0).any(axis=0).sum(axis=1)
    inside = _within(eyes, things, 0.12).any(axis=1)
    cost = 0.7 * np.abs(away - distance) + hidden
    cost = cost + 10.0 * inside + 5.0 * (away < 0.7)
    aim = target + rng.normal(0, 0.12, 3)
    return look_at(eyes[np.argmin(cost)], aim)


def _within(
    points: np.ndarray, blocks: np.ndarray, margin: float
) -> np.ndarray:
    """Tell which points (..., 3) are in which boxes (T, 2, 3): (..., T)."""
    above = points[..., None, :] > blocks[:, 0] - margin
    below = points[..., None, :] < blocks[:, 1] + margin
    return (above & below).all(axis=-1)


def _shoot(
    room: FurnishedRoom,
    paint: _Paint,
    camera: Camera,
    options: RoomScanOptions,
    rng: np.random.Generator,
) -> tuple[RoomFrame, tuple[np.ndarray, ...]]:
    """Take a frame, its pose in the room.

    Returns:
        The frame, and of its measured pixels: place, place without noise
        (P, 3), colour (P, 3) and instance (P,).
    """
    depth, face = render_depth(room.corners, camera)
    rays, eye = camera.rays(), camera.pose[:3, 3]
    exact = eye + rays * depth[..., None]
    color, facing = paint(
        face, exact.astype(np.float32), eye.astype(np.float32)
    )
    color = color * np.float32(rng.normal(1, 0.05) * 255)
    grain = rng.standard_normal(color.shape, np.float32)
    color = color + 5 * options.noise * grain
    color = np.round(np.clip(color, 0, 255)).astype(np.uint8)
    color[face < 0] = 0
    # Khoshelham and Elberink 2012: the error of a Kinect's depth grows with
    # the squared depth.
    spread = options.noise * (0.0012 + 0.0019 * (depth - 0.4) ** 2)
    noisy = depth + rng.normal(0, 1, depth.shape) * spread
    usable = (face >= 0) & (depth < _FAR) & (facing > _GRAZING)
    usable &= rng.random(depth.shape) > 0.01
    stored = np.where(usable, np.round(1000 * noisy), 0).astype(np.uint16)
    usable = stored > 0
    measured = eye + rays * (stored[..., None] / 1000)
    rows = (
        measured[usable].astype(np.float32),
        exact[usable].astype(np.float32),
        color[usable],
        room.instances[face[usable]],
    )
    return RoomFrame(color, stored, camera.pose), rows


class _Paint:
    """Light of a room, the same in all frames."""

    def __init__(self, room: FurnishedRoom, rng: np.random.Generator) -> None:
        self._normals = unit_normals(room.corners).astype(np.float32)
        place = rng.uniform(0.35, 0.65, 3) * room.size
        self._lamp = np.float32([*place[:2], room.size[2] - 0.1])
        tint = rng.normal([1.0, 0.98, 0.94], 0.02)
        self._tones = (room.colors * tint).astype(np.float32)

    def __call__(
        self, face: np.ndarray, places: np.ndarray, eye: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute the colour seen and the cosine of the view.

        Args:
            face: (H, W) face seen, -1 for none.
            places: (H, W, 3) where it is seen.
            eye: (3,) place of the camera.

        Returns:
            (H, W, 3) in about [0, 1], and (H, W).
        """
        normals = self._normals[face]
        facing = _cosine(eye - places, normals)
        light = np.maximum(_cosine(self._lamp - places, normals), 0)
        shade = 0.5 + 0.4 * light + 0.08 * np.maximum(facing, 0)
        return self._tones[face] * shade[..., None], facing


def _cosine(directions: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Compute the cosine between directions (..., 3) and unit normals."""
    length = np.linalg.norm(directions, axis=-1)
    return (directions * normals).sum(axis=-1) / np.maximum(length, 1e-12)
