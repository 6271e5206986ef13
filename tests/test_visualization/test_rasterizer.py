from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.visualization import rasterizer
from mmdet3d_act.visualization.rasterizer import (
    Frame,
    draw_points,
    filled_share,
    fit_frame,
)

RED, BLUE = [0.9, 0.1, 0.1], [0.1, 0.1, 0.9]
SIDE_ON = Frame(np.zeros(3), 1.0, azimuth=0.0, elevation=0.0)


def draw(points, colors, frame=SIDE_ON, size=64, **options) -> np.ndarray:
    return draw_points(
        np.array(points, float), np.array(colors), size, frame=frame, **options
    )


def ink(picture: np.ndarray) -> np.ndarray:
    return np.argwhere((picture < 250).any(axis=-1))


def test_a_point_is_a_ball_at_its_place() -> None:
    picture = draw([[0, 0, 0]], [RED], ball=0.1)
    assert picture.shape == (64, 64, 3)
    assert picture.dtype == np.uint8
    rows, columns = ink(picture).T
    assert rows.mean() == pytest.approx(31.75, abs=1)
    assert columns.mean() == pytest.approx(31.75, abs=1)
    area = np.pi * 6.4**2
    assert len(rows) == pytest.approx(area, rel=0.2)
    assert picture[32, 32, 0] > picture[32, 32, 2]


def test_up_is_up_and_right_is_right() -> None:
    high = ink(draw([[0, 0, 0.8]], [RED])).mean(axis=0)
    right = ink(draw([[0, 0.8, 0]], [RED])).mean(axis=0)
    assert high[0] < 12
    assert high[1] == pytest.approx(32, abs=1)
    assert right[1] > 52
    assert right[0] == pytest.approx(32, abs=1)


def test_the_nearer_point_covers_the_other() -> None:
    points = [[0.5, 0, 0], [-0.5, 0, 0]]
    first = draw(points, [RED, BLUE], ball=0.1)
    second = draw(points[::-1], [RED, BLUE], ball=0.1)
    assert first[32, 32, 0] > first[32, 32, 2]
    assert second[32, 32, 2] > second[32, 32, 0]


def test_what_is_far_is_paler() -> None:
    near = draw([[0.9, 0, 0]], [RED], ball=0.1)[32, 32]
    far = draw([[-0.9, 0, 0]], [RED], ball=0.1)[32, 32]
    assert int(far[2]) > int(near[2]) + 20


def test_fit_frame_shows_all_of_a_cloud_and_fills_the_picture() -> None:
    cube = np.array(
        [[x, y, z] for x in (4, 6) for y in (0, 2) for z in (-9, -7)], float
    )
    picture = draw_points(cube, np.full((8, 3), 0.2), 100, ball=0.02)
    where = ink(picture)
    assert where.min() > 2
    assert where.max() < 97
    assert np.ptp(where, axis=0).max() > 75
    moved = fit_frame(cube - 7).radius
    assert fit_frame(cube).radius == pytest.approx(moved)


def test_filled_share_is_one_at_the_edge() -> None:
    frame = fit_frame(np.array([[-1.0, -1, -1], [1, 1, 1]]))
    axis = np.array([[0, 0, 0.5], [0, 0, -0.5]])
    whole, half = filled_share(2 * axis, frame), filled_share(axis, frame)
    assert 0 < half < whole < 1
    edge = draw_points(
        2 * axis / whole, np.full((2, 3), 0.2), 100, ball=0.01, frame=frame
    )
    where = ink(edge)[:, 0]
    assert where.min() <= 5 or where.max() >= 94


def test_one_point_and_points_outside_are_no_trouble() -> None:
    single = draw_points(np.ones((1, 3)), np.zeros((1, 3)), 32)
    assert len(ink(single)) > 0
    assert len(ink(draw([[0, 9.0, 9.0]], [RED]))) == 0
    # Behind the eye, which is at 5 radii.
    assert len(ink(draw([[4.9, 0, 0]], [RED]))) > 0
    for behind in (5.0, 90.0):
        assert len(ink(draw([[behind, 0, 0]], [RED]))) == 0


def test_many_points_are_drawn_part_by_part(monkeypatch) -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (60, 3))
    points = np.concatenate([points, points[:9], [[0, 1e12, -1e12]]])
    colors = np.random.default_rng(1).uniform(size=points.shape)
    at_once = draw(points, colors, ball=0.05)
    monkeypatch.setattr(rasterizer, '_AT_ONCE', 1000)
    assert np.array_equal(draw(points, colors, ball=0.05), at_once)


def test_refuses_a_tiny_picture() -> None:
    with pytest.raises(ValueError, match='size must be at least 16'):
        draw([[0, 0, 0]], [RED], size=8)
