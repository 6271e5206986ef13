"""From depth to points and pixels."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers.projection import (
    Calibration,
    back_project,
    check_intrinsic,
    is_rigid,
    transform,
)
from tests.rgbd_files import COLOR_SHAPE, LOST, intrinsic, make_video, rotation


def calibration(**changes: object) -> Calibration:
    matrices = make_video(1).intrinsics
    eye = np.eye(4)
    usual = Calibration(matrices['color'], matrices['depth'], eye, eye)
    return usual._replace(**changes)


def test_points_by_hand() -> None:
    depth = np.zeros((12, 16), np.uint16)
    depth[2, 5] = 2000
    points, pixels = back_project(depth, calibration(), COLOR_SHAPE, (0, 9))
    # (5 - 7.5) / 15 * 2 m and (2 - 5.5) / 15 * 2 m
    np.testing.assert_allclose(points, [[-1 / 3, -7 / 15, 2]], rtol=1e-6)
    # 15.5 + 31 * -1/6 and 11.5 + 31 * -7/30, pixels; half a one to its edge
    expected = [(15.5 - 31 / 6 + 0.5) / 32, (11.5 - 31 * 7 / 30 + 0.5) / 24]
    np.testing.assert_allclose(pixels, [expected], rtol=1e-6)
    assert points.dtype == pixels.dtype == np.float32


def test_limits_of_depth() -> None:
    depth = np.full((12, 16), 3000, np.uint16)
    depth[5, 4:8] = 0, 499, 500, 4001
    points, _ = back_project(depth, calibration(), COLOR_SHAPE, (0.5, 4))
    assert len(points) == 12 * 16 - 3
    assert np.isclose(points[:, 2], 0.5).sum() == 1
    points, _ = back_project(depth, calibration(), COLOR_SHAPE, (0, np.inf))
    assert len(points) == 12 * 16 - 1
    scaled = calibration(depth_scale=500.0)
    points, _ = back_project(depth, scaled, COLOR_SHAPE, (0.5, 6))
    assert points[:, 2].max() == 6


def test_cameras_that_stand_apart() -> None:
    rng = np.random.default_rng(0)
    depth = rng.integers(2000, 3000, (12, 16)).astype(np.uint16)
    to_rig = np.eye(4)
    to_rig[:3, 3] = 0.1, 0, 0
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]]
    turn[:3, 3] = 0, 0.2, -0.1
    both = calibration(depth_extrinsic=to_rig, color_extrinsic=turn)
    points, pixels = back_project(depth, both, COLOR_SHAPE, (0, 9))
    assert 50 < len(points) < depth.size
    seen = transform(points.astype(float), np.linalg.inv(turn))
    matrix = make_video(1).intrinsics['color']
    u = seen[:, 0] / seen[:, 2] * matrix[0, 0] + matrix[0, 2]
    v = seen[:, 1] / seen[:, 2] * matrix[1, 1] + matrix[1, 2]
    expected = np.stack([(u + 0.5) / 32, (v + 0.5) / 24], axis=1)
    np.testing.assert_allclose(pixels, expected, atol=1e-6)
    alone, _ = back_project(depth, calibration(), COLOR_SHAPE, (0, 9))
    moved = alone + np.float32([0.1, 0, 0])
    apart = np.linalg.norm(points[:, None] - moved, axis=2).min(axis=1)
    assert apart.max() < 1e-5


@pytest.mark.parametrize(
    ('changes', 'count'),
    [
        (dict(color_intrinsic=intrinsic(COLOR_SHAPE, 62.0)), 12 * 16 // 4),
        # Looking the other way.
        (dict(color_extrinsic=np.diag([1.0, -1, -1, 1])), 0),
    ],
)
def test_what_is_not_in_the_colour_image(changes: dict, count: int) -> None:
    depth = np.full((12, 16), 1000, np.uint16)
    points, pixels = back_project(
        depth, calibration(**changes), COLOR_SHAPE, (0, 9)
    )
    assert (points.shape, pixels.shape) == ((count, 3), (count, 2))
    assert ((pixels >= 0) & (pixels < 1)).all()


def test_poses() -> None:
    pose = np.eye(4)
    pose[:3, :3] = rotation(3)
    pose[:3, 3] = 9, 8, 7
    assert is_rigid(pose)
    assert is_rigid(pose.astype(np.float32))
    mirrored = pose @ np.diag([1, 1, -1, 1])
    for other in (LOST, np.zeros((4, 4)), mirrored, pose * 2, np.eye(3)):
        assert not is_rigid(other)


def test_intrinsics_of_another_size() -> None:
    matrix = intrinsic((480, 640), 577.0)
    check_intrinsic(matrix, (480, 640), 'frame 3', 'depth image')
    with pytest.raises(
        BadSampleError, match='frame 3: its depth image of 320'
    ):
        check_intrinsic(matrix, (240, 320), 'frame 3', 'depth image')
