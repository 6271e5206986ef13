from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mmdet3d_act.datasets.scannet import DETECTION_IDS
from mmdet3d_act.synthetic.items import NYU40
from mmdet3d_act.synthetic.room_scan import (
    RoomScan,
    RoomScanOptions,
    plan_views,
    scan_room,
)
from mmdet3d_act.synthetic.rooms import FurnishedRoom, draw_room
from mmdet3d_act.synthetic.solids import rotation

SMALL = RoomScanOptions(num_points=6000, num_views=20, width=96, height=72)


def rescan(room: FurnishedRoom, seed: int = 0, **changes: float) -> RoomScan:
    options = dataclasses.replace(SMALL, **changes)
    return scan_room(room, options, np.random.default_rng(seed))


@pytest.fixture(scope='module')
def room() -> FurnishedRoom:
    return draw_room('studio', np.random.default_rng(4))


@pytest.fixture(scope='module')
def scan(room: FurnishedRoom) -> RoomScan:
    return rescan(room)


def aligned(scan: RoomScan) -> np.ndarray:
    """Bring the points into the world of the boxes."""
    return scan.points[:, :3] @ scan.align[:3, :3].T + scan.align[:3, 3]


def test_alignment_turns_the_walls_parallel_to_the_axes(
    room: FurnishedRoom, scan: RoomScan
) -> None:
    turn = scan.align[:3, :3]
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert abs(turn[0, 1]) > 0.02
    places = aligned(scan)
    wall = places[scan.semantic == NYU40['wall']]
    near = np.abs(np.abs(wall[:, :2]) - room.size[:2] / 2).min(axis=1)
    assert np.quantile(near, 0.9) < 0.05
    floor = places[scan.semantic == NYU40['floor'], 2]
    assert np.abs(np.median(floor)) < 0.01
    # The scan's own world begins at the corner of what it holds, and
    # nothing is seen from outside the room.
    assert np.abs(scan.points[:, :2].min(axis=0)).max() < 0.3
    middle = places - np.array([0, 0, room.size[2] / 2])
    assert (np.abs(middle) < room.size / 2 + 0.25).all()


def inside(places: np.ndarray, box: np.ndarray) -> np.ndarray:
    local = (places - box[:3]) @ rotation('z', box[6])
    return (np.abs(local) < box[3:6] / 2 + 0.03).all(axis=1)


@pytest.mark.parametrize('turned', [False, True])
def test_boxes_hold_the_points_of_their_instances(
    room: FurnishedRoom, turned: bool
) -> None:
    scan = rescan(room, turned=turned)
    places = aligned(scan)
    assert len(scan.boxes) >= 10
    assert np.isin(scan.box_labels, DETECTION_IDS).all()
    for box, label in zip(scan.boxes, scan.box_labels, strict=True):
        own = (scan.semantic == label) & inside(places, box)
        assert own.sum() >= SMALL.min_points
        number = np.bincount(scan.instance[own]).argmax()
        mine = scan.instance == number
        assert inside(places[mine], box).mean() > 0.95
        yaw = room.yaws[number - 1] if turned else 0.0
        assert box[6] == pytest.approx(yaw)


def test_labels_and_instances_agree(
    room: FurnishedRoom, scan: RoomScan
) -> None:
    has = scan.instance > 0
    assert (scan.semantic[~has] == 0).all()
    np.testing.assert_array_equal(
        scan.semantic[has], room.labels[scan.instance[has] - 1]
    )
    boxed = np.isin(scan.semantic, DETECTION_IDS)
    assert len(np.unique(scan.instance[boxed])) == len(scan.boxes)


def test_frames_and_points_are_of_one_world(scan: RoomScan) -> None:
    known = set()
    for frame in scan.frames:
        row, column = np.nonzero(frame.depth)
        depth = frame.depth[row, column] / 1000
        local = np.stack([column, row, np.ones(len(row))]) * depth
        local = np.linalg.inv(scan.intrinsic[:3, :3]) @ local
        world = (frame.pose[:3, :3] @ local + frame.pose[:3, 3:]).T
        rows = np.hstack([world, frame.color[row, column]])
        known.update(map(tuple, rows.astype(np.float32).round(3)))
    found = [tuple(point) in known for point in scan.points[:500].round(3)]
    # Rounding may go the other way.
    assert np.mean(found) > 0.8


@pytest.mark.parametrize('num_views', [1, 5, 60])
def test_cameras_are_in_the_room_and_outside_of_things(
    room: FurnishedRoom, num_views: int
) -> None:
    poses = np.array(plan_views(room, num_views, np.random.default_rng(0)))
    assert poses.shape == (num_views, 4, 4)
    eyes = poses[:, None, :3, 3]
    assert ((eyes > [0, 0, 1.2]) & (eyes < room.size)).all()
    low, high = room.blocks[6:, 0], room.blocks[6:, 1]
    within = ((eyes > low) & (eyes < high)).all(axis=2).any(axis=1)
    assert within.mean() < 0.05
