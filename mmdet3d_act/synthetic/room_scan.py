"""Scans of rooms: RGB-D frames, and the labelled cloud that they give."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from mmdet3d_act.datasets.scannet import DETECTION_IDS

from .furniture import NYU40
from .render import Camera, render_depth
from .room_views import plan_views
from .rooms import FurnishedRoom

_FOCAL = 0.9  # focal length, in widths of the picture
_FAR = 6.0  # what is further away is not measured, metres
_GRAZING = 0.12  # surfaces seen at a smaller cosine are not measured


@dataclasses.dataclass(frozen=True)
class RoomScanOptions:
    """How a room is scanned.

    Args:
        num_points: Points of the cloud, at most.
        num_views: RGB-D frames.
        width: Width of a frame, picture elements.
        height: Height of a frame, picture elements.
        noise: Strength of the noise of depth and colour; 1 is a first
            Kinect's, growing with the squared depth.
        min_points: Things with fewer points in the cloud have no box and
            their points no label.

    Raises:
        ValueError: If a number is out of its range.
    """

    num_points: int = 50000
    num_views: int = 24
    width: int = 320
    height: int = 240
    noise: float = 0.4
    min_points: int = 30

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, low in (
            ('num_points', 100),
            ('num_views', 1),
            ('width', 32),
            ('height', 24),
            ('noise', 0),
            ('min_points', 1),
        ):
            if not getattr(self, name) >= low:
                raise ValueError(
                    f'{name} must be at least {low}, got '
                    f'{getattr(self, name)}; raise it'
                )


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
        boxes: (I, 7) centre, size, NYU40 number of what has a box, in the
            aligned world.
        dropped: (D, 2) NYU40 number and number of points of the things that
            have no box because they have fewer points than asked for.
        align: (4, 4) from the scan's world to the aligned one, whose axes
            are parallel to the walls.
        frames: The frames.
        intrinsic: (4, 4) projection of all frames, colour and depth.
    """

    points: np.ndarray
    semantic: np.ndarray
    instance: np.ndarray
    boxes: np.ndarray
    dropped: np.ndarray
    align: np.ndarray
    frames: list[RoomFrame]
    intrinsic: np.ndarray


class _Seen(NamedTuple):
    """What the frames measured: one row per picture element.

    Attributes:
        points: (P, 3) measured places, in the coordinates of the room.
        exact: (P, 3) the same without noise.
        colors: (P, 3) uint8.
        instances: (P,) int.
    """

    points: np.ndarray
    exact: np.ndarray
    colors: np.ndarray
    instances: np.ndarray


def scan_room(
    room: FurnishedRoom, options: RoomScanOptions, rng: np.random.Generator
) -> RoomScan:
    """Return the scan of a room.

    The points are drawn from the elements of all depth images, so that what
    no camera sees has none, and what is near or often looked at has many. A
    box is the extent of what was seen of a thing, as in ScanNet.

    Args:
        room: The room.
        options: Number of points and frames, noise.
        rng: Source of randomness.
    """
    poses = plan_views(room, options.num_views, rng)
    corners = room.vertices[room.faces]
    painter = _Painter(room, corners, rng)
    frames, seen = [], []
    for pose in poses:
        camera = Camera(
            pose, _FOCAL * options.width, options.width, options.height
        )
        frame, rows = _shoot(room, corners, painter, camera, options, rng)
        frames.append(frame)
        seen.append(rows)
    whole = _Seen(*(np.concatenate(part) for part in zip(*seen, strict=True)))
    align, back = _alignment(room, rng)
    number = min(options.num_points, len(whole.points))
    drawn = rng.choice(len(whole.points), number, replace=False)
    instance = whole.instances[drawn]
    counts = np.bincount(instance, minlength=len(room.labels) + 1)
    enough = counts >= options.min_points
    enough[0] = False
    instance = np.where(enough[instance], instance, 0)
    labels = np.concatenate([[0], room.labels])
    unboxed = ~enough & np.isin(labels, DETECTION_IDS)
    places = _moved(whole.points[drawn], back)
    points = np.concatenate([places, whole.colors[drawn]], axis=1)
    middle = _middle(room)
    return RoomScan(
        points.astype(np.float32),
        labels[instance].astype(np.int64),
        instance.astype(np.int64),
        _boxes(whole, labels, enough, middle),
        np.stack([labels, counts], axis=1)[unboxed],
        align,
        [frame._replace(pose=back @ frame.pose) for frame in frames],
        camera.intrinsic,
    )


def _moved(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return points (N, 3) under a (4, 4) rigid motion."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def _middle(room: FurnishedRoom) -> np.ndarray:
    """Return the origin of the aligned world: the middle of the floor."""
    return np.array([room.size[0] / 2, room.size[1] / 2, 0.0])


def _alignment(
    room: FurnishedRoom, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the scan's world to the aligned one, and room to scan's world.

    The scan's world is turned by a random angle and begins at about the
    lowest corner of the room, as ScanNet's do.
    """
    angle = rng.uniform(-np.pi / 3, np.pi / 3)
    cos, sin = np.cos(angle), np.sin(angle)
    align = np.eye(4)
    align[:2, :2] = [[cos, -sin], [sin, cos]]
    half = room.size[:2] / 2
    reach = np.abs(align[:2, :2]) @ half
    start = np.array([*reach, rng.uniform(0.0, 0.1)])
    align[:3, 3] = -align[:3, :3] @ start
    to_aligned = np.eye(4)
    to_aligned[:3, 3] = -_middle(room)
    return align, np.linalg.inv(align) @ to_aligned


def _boxes(
    seen: _Seen, labels: np.ndarray, enough: np.ndarray, middle: np.ndarray
) -> np.ndarray:
    """Return (I, 7) boxes of the things with enough points."""
    boxes = [np.zeros((0, 7))]
    for number in np.flatnonzero(enough & np.isin(labels, DETECTION_IDS)):
        own = seen.exact[seen.instances == number] - middle
        low, high = own.min(axis=0), own.max(axis=0)
        row = [*(low + high) / 2, *(high - low), labels[number]]
        boxes.append(np.array([row]))
    return np.concatenate(boxes)


def _shoot(
    room: FurnishedRoom,
    corners: np.ndarray,
    painter: _Painter,
    camera: Camera,
    options: RoomScanOptions,
    rng: np.random.Generator,
) -> tuple[RoomFrame, _Seen]:
    """Return a frame, its pose in the room, and what it measured."""
    depth, face = render_depth(corners, camera)
    rays = camera.rays()
    eye = camera.pose[:3, 3]
    exact = eye + rays * depth[..., None]
    color, facing = painter.paint(
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
    rows = _Seen(
        measured[usable].astype(np.float32),
        exact[usable].astype(np.float32),
        color[usable],
        room.instances[face[usable]],
    )
    return RoomFrame(color, stored, camera.pose), rows


class _Painter:
    """Light and texture of a room, the same in all frames.

    Args:
        room: The room.
        corners: (F, 3, 3) corners of its faces.
        rng: Source of randomness.
    """

    def __init__(
        self,
        room: FurnishedRoom,
        corners: np.ndarray,
        rng: np.random.Generator,
    ) -> None:
        normals = np.cross(
            corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        )
        size = np.linalg.norm(normals, axis=1, keepdims=True)
        self._normals = (normals / np.maximum(size, 1e-12)).astype(np.float32)
        self._room = room
        place = rng.uniform(0.35, 0.65, 3) * room.size
        self._lamp = np.float32([*place[:2], room.size[2] - 0.1])
        tint = rng.normal([1.0, 0.98, 0.94], 0.02)
        self._tones = (room.colors * tint).astype(np.float32)
        # Some waves per instance make a grain.
        number = len(room.labels) + 1
        self._waves = rng.normal(0, 60, (number, 2, 3)).astype(np.float32)
        floor = 1 + int(np.flatnonzero(room.labels == NYU40['floor'])[0])
        self._floor = floor
        self._plank = rng.uniform(0.08, 0.3)

    def paint(
        self, face: np.ndarray, places: np.ndarray, eye: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the colour seen and the cosine of the view.

        Args:
            face: (H, W) face seen, -1 for none.
            places: (H, W, 3) where it is seen.
            eye: (3,) place of the camera.

        Returns:
            (H, W, 3) in about [0, 1], and (H, W).
        """
        normals = self._normals[face]
        facing = _cosine(eye - places, normals)
        toward = self._lamp - places
        squared = np.einsum('...i,...i', toward, toward)
        light = np.maximum(_cosine(toward, normals), 0) / (1 + 0.08 * squared)
        shade = 0.5 + 0.6 * light + 0.08 * np.maximum(facing, 0)
        instance = self._room.instances[face]
        phase = np.einsum('hwi,hwki->hwk', places, self._waves[instance])
        shade = shade * (1 + 0.012 * np.sin(phase).sum(axis=-1))
        planks = np.floor(places[..., 0] / self._plank)
        step = 0.06 * np.sin(planks * 12.9898)
        shade = shade * (1 + np.where(instance == self._floor, step, 0))
        return self._tones[face] * shade[..., None], facing


def _cosine(directions: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Return the cosine between directions (..., 3) and unit normals."""
    length = np.sqrt(np.einsum('...i,...i', directions, directions))
    along = np.einsum('...i,...i', directions, normals)
    return along / np.maximum(length, 1e-12)
