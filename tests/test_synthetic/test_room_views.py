from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.synthetic.room_views import SHELL, plan_views
from mmdet3d_act.synthetic.rooms import FurnishedRoom, draw_room


@pytest.fixture(scope='module')
def room() -> FurnishedRoom:
    return draw_room('bedroom', np.random.default_rng(0))


@pytest.mark.parametrize('num_views', [1, 5, 40])
def test_cameras_are_in_the_room(room: FurnishedRoom, num_views: int) -> None:
    poses = np.array(plan_views(room, num_views, np.random.default_rng(0)))
    assert poses.shape == (num_views, 4, 4)
    eyes = poses[:, :3, 3]
    assert (eyes > 0).all()
    assert (eyes < room.size).all()
    assert (eyes[:, 2] > 1.2).all()
    turns = poses[:, :3, :3]
    np.testing.assert_allclose(
        turns @ turns.transpose(0, 2, 1),
        np.tile(np.eye(3), (num_views, 1, 1)),
        atol=1e-9,
    )


def test_every_thing_is_looked_at(room: FurnishedRoom) -> None:
    poses = plan_views(room, 60, np.random.default_rng(0))
    things = room.blocks[~np.isin(room.labels, SHELL)].mean(axis=1)
    for place in things:
        cosines = []
        for pose in poses:
            ray = place - pose[:3, 3]
            cosines.append(ray @ pose[:3, 2] / np.linalg.norm(ray))
        assert max(cosines) > np.cos(np.deg2rad(25))


def test_cameras_are_not_inside_of_things(room: FurnishedRoom) -> None:
    poses = np.array(plan_views(room, 60, np.random.default_rng(1)))
    things = room.blocks[~np.isin(room.labels, SHELL)]
    eyes = poses[:, None, :3, 3]
    inside = ((eyes > things[:, 0]) & (eyes < things[:, 1])).all(axis=2)
    assert inside.any(axis=1).mean() < 0.05


def test_the_views_walk_around_the_room(room: FurnishedRoom) -> None:
    poses = np.array(plan_views(room, 30, np.random.default_rng(0)))
    steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
    shuffled = np.random.default_rng(0).permutation(poses[:, :3, 3])
    other = np.linalg.norm(np.diff(shuffled, axis=0), axis=1)
    assert steps.mean() < 0.8 * other.mean()
