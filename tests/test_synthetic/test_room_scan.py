from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.datasets.scannet import DETECTION_IDS
from mmdet3d_act.synthetic.furniture import NYU40
from mmdet3d_act.synthetic.room_scan import (
    RoomScan,
    RoomScanOptions,
    scan_room,
)
from mmdet3d_act.synthetic.rooms import FurnishedRoom, draw_room

SMALL = RoomScanOptions(num_points=6000, num_views=20, width=96, height=72)


@pytest.fixture(scope='module')
def room() -> FurnishedRoom:
    return draw_room('studio', np.random.default_rng(4))


@pytest.fixture(scope='module')
def scan(room: FurnishedRoom) -> RoomScan:
    return scan_room(room, SMALL, np.random.default_rng(0))


def aligned(scan: RoomScan) -> np.ndarray:
    """Return the points in the world of the boxes."""
    return scan.points[:, :3] @ scan.align[:3, :3].T + scan.align[:3, 3]


def test_shapes_and_types(scan: RoomScan) -> None:
    assert scan.points.shape == (6000, 6)
    assert scan.points.dtype == np.float32
    for mask in (scan.semantic, scan.instance):
        assert mask.shape == (6000,)
        assert mask.dtype == np.int64
    colors = scan.points[:, 3:]
    assert 0 <= colors.min() < 60 < 180 < colors.max() <= 255
    assert len(scan.frames) == 20
    assert scan.frames[0].color.shape == (72, 96, 3)
    assert scan.frames[0].depth.dtype == np.uint16


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
    # The scan's own world begins at the corner of what it holds.
    assert np.abs(scan.points[:, :2].min(axis=0)).max() < 0.3


def test_boxes_hold_the_points_of_their_instances(scan: RoomScan) -> None:
    places = aligned(scan)
    assert len(scan.boxes) >= 10
    counts = []
    for box in scan.boxes:
        assert box[6] in DETECTION_IDS
        low, high = box[:3] - box[3:6] / 2, box[:3] + box[3:6] / 2
        own = scan.semantic == box[6]
        inside = ((places > low - 0.03) & (places < high + 0.03)).all(axis=1)
        counts.append((own & inside).sum())
        numbers = np.bincount(scan.instance[own & inside])
        mine = scan.instance == numbers.argmax()
        assert inside[mine].mean() > 0.95
    assert min(counts) >= SMALL.min_points


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


def test_things_with_few_points_are_dropped(room: FurnishedRoom) -> None:
    strict = RoomScanOptions(
        num_points=6000, num_views=20, width=96, height=72, min_points=150
    )
    scan = scan_room(room, strict, np.random.default_rng(0))
    usual = scan_room(room, SMALL, np.random.default_rng(0))
    gone = np.setdiff1d(usual.instance, scan.instance)
    gone = gone[gone > 0]
    assert len(gone) > 0
    for number in gone:
        assert 30 <= (usual.instance == number).sum() < 150
    assert (scan.semantic[np.isin(usual.instance, gone)] == 0).all()
    assert len(scan.boxes) + len(scan.dropped) == (
        len(usual.boxes) + len(usual.dropped)
    )
    assert (scan.dropped[:, 1] < 150).all()
    np.testing.assert_array_equal(scan.points, usual.points)


def test_frames_and_points_are_of_one_world(scan: RoomScan) -> None:
    centers, colors = [], []
    for frame in scan.frames:
        row, column = np.nonzero(frame.depth)
        depth = frame.depth[row, column] / 1000
        local = np.stack([column, row, np.ones(len(row))]) * depth
        local = np.linalg.inv(scan.intrinsic[:3, :3]) @ local
        world = frame.pose[:3, :3] @ local + frame.pose[:3, 3:]
        centers.append(world.T)
        colors.append(frame.color[row, column])
    centers = np.concatenate(centers).astype(np.float32)
    known = {
        (*place.round(4).tolist(), *color.tolist())
        for place, color in zip(centers, np.concatenate(colors), strict=True)
    }
    found = [
        (*point[:3].round(4).tolist(), *point[3:].astype(int).tolist())
        in known
        for point in scan.points[:500]
    ]
    # Rounding may go the other way.
    assert np.mean(found) > 0.8


def test_without_noise_points_are_on_the_surfaces(room: FurnishedRoom) -> None:
    exact = RoomScanOptions(
        num_points=4000, num_views=8, width=96, height=72, noise=0.0
    )
    noisy = RoomScanOptions(
        num_points=4000, num_views=8, width=96, height=72, noise=1.0
    )
    spreads = []
    for options in (exact, noisy):
        scan = scan_room(room, options, np.random.default_rng(0))
        floor = aligned(scan)[scan.semantic == NYU40['floor'], 2]
        spreads.append(np.abs(floor).mean())
    assert spreads[0] < 0.001
    assert 0.002 < spreads[1] < 0.03


def test_density_falls_with_distance(room: FurnishedRoom) -> None:
    one = RoomScanOptions(
        num_points=3000, num_views=1, width=96, height=72, noise=0.0
    )
    scan = scan_room(room, one, np.random.default_rng(2))
    eye = scan.frames[0].pose[:3, 3]
    away = np.linalg.norm(scan.points[:, None, :3] - eye, axis=-1).ravel()
    gaps = np.linalg.norm(
        scan.points[:400, None, :3] - scan.points[None, :, :3], axis=-1
    )
    gaps = np.sort(gaps, axis=1)[:, 4]
    assert np.corrcoef(away[:400], gaps)[0, 1] > 0.3


def test_hidden_surfaces_have_no_points(
    room: FurnishedRoom, scan: RoomScan
) -> None:
    # Outer faces of walls and the undersides of the floor are never seen.
    reach = room.size / 2 + 0.25
    places = aligned(scan) - np.array([0, 0, room.size[2] / 2])
    assert (np.abs(places) < reach).all()


@pytest.mark.parametrize(
    ('name', 'value'),
    [('num_points', 99), ('num_views', 0), ('noise', -0.1), ('width', 8)],
)
def test_numbers_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f'{name} must be at least'):
        RoomScanOptions(**{name: value})
