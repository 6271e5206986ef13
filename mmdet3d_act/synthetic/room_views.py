"""Where a person with a depth camera stands in a room, and looks to."""

from __future__ import annotations

import numpy as np

from .furniture import NYU40
from .render import look_at
from .rooms import FurnishedRoom

SHELL = (NYU40['wall'], NYU40['floor'], NYU40['ceiling'])
_CANDIDATES = 24  # places tried for every view
_DISTANCE = 2.3  # metres to what is looked at, where there is room
_MARGIN = 0.12  # metres kept from things


def plan_views(
    room: FurnishedRoom, num_views: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Return camera poses that show every thing of a room.

    A quarter of the views look across the room, from beside a wall; the
    others look at one thing each, then at places of walls and floor. They
    are ordered as a walk around the room.

    Args:
        room: The room.
        num_views: Number of poses, at least 1.
        rng: Source of randomness.

    Returns:
        (4, 4) camera to world each, in the coordinates of the room.
    """
    things = room.blocks[~np.isin(room.labels, SHELL)]
    num_across = num_views // 4
    places = rng.permutation(things.mean(axis=1))[: num_views - num_across]
    spare = num_views - num_across - len(places)
    targets = np.concatenate([places, _surface_places(room, spare, rng)])
    poses = [_across(room, things, rng) for _ in range(num_across)]
    for target in targets:
        eyes = _eyes(room, 0.25, rng)
        cost = 0.7 * np.abs(_away(eyes, target) - _DISTANCE)
        poses.append(_best_pose(eyes, cost, target, things, rng))
    middle = room.size / 2
    angles = [np.arctan2(*(pose[:2, 3] - middle[:2])) for pose in poses]
    return [poses[index] for index in np.argsort(angles)]


def _surface_places(
    room: FurnishedRoom, number: int, rng: np.random.Generator
) -> np.ndarray:
    """Return places on the walls and, each third, on the floor."""
    places = rng.uniform(0.1, 0.9, (number, 3)) * room.size
    places[:, 2] *= 0.7
    side = rng.integers(0, 2, number)
    at_wall = rng.integers(0, 2, number) * room.size[side]
    places[np.arange(number), side] = at_wall
    places[::3, :2] = rng.uniform(0.2, 0.8, (len(places[::3]), 2))
    places[::3] *= np.array([*room.size[:2], 0.0])
    return places


def _across(
    room: FurnishedRoom, things: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return a view from beside a wall to the other side of the room."""
    share = np.array([*rng.uniform(0.3, 0.7, 2), 0.2])
    target = share * room.size
    eyes = _eyes(room, 0.1, rng)
    return _best_pose(eyes, -2 * _away(eyes, target), target, things, rng)


def _eyes(
    room: FurnishedRoom, margin: float, rng: np.random.Generator
) -> np.ndarray:
    """Return places where a camera might be, (E, 3)."""
    low = np.array([margin, margin, 1.25])
    high = np.array([*(room.size[:2] - margin), 1.75])
    return rng.uniform(low, high, (_CANDIDATES, 3))


def _away(eyes: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the distances to a place, (E,)."""
    return np.linalg.norm(eyes - target, axis=1)


def _best_pose(
    eyes: np.ndarray,
    cost: np.ndarray,
    target: np.ndarray,
    things: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the pose of the cheapest place that is not inside a thing."""
    inside = (eyes[:, None] > things[:, 0] - _MARGIN) & (
        eyes[:, None] < things[:, 1] + _MARGIN
    )
    cost = cost + 10.0 * inside.all(axis=2).any(axis=1)
    cost = cost + 5.0 * (_away(eyes, target) < 0.7)
    cost = cost + _blocked(eyes, target, things)
    aim = target + rng.normal(0, 0.12, 3)
    return look_at(eyes[np.argmin(cost)], aim, rng.normal(0, 0.05))


def _blocked(
    eyes: np.ndarray, target: np.ndarray, things: np.ndarray
) -> np.ndarray:
    """Return how many boxes of other things are on the way, (E,)."""
    share = np.linspace(0.1, 0.95, 12)[:, None, None]
    path = eyes + share * (target - eyes)
    own = ((things[:, 0] <= target) & (target <= things[:, 1])).all(axis=1)
    others = things[~own]
    inside = (path[:, :, None] > others[:, 0]) & (
        path[:, :, None] < others[:, 1]
    )
    return inside.all(axis=3).any(axis=0).sum(axis=1)
