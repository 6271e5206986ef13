"""Points, colours and shaded balls."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmdet3d_act.visualization.arrays import (
    PALETTE,
    class_colors,
    height_colors,
    label_colors,
    to_numpy,
    to_points,
    upright,
)
from mmdet3d_act.visualization.rasterizer import (
    Frame,
    draw_points,
    fit_frame,
)

POINTS = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
RED, BLUE = [0.9, 0.1, 0.1], [0.1, 0.1, 0.9]
SIDE_ON = Frame(np.zeros(3), 1.0, azimuth=0.0, elevation=0.0)


def draw(points, colors, frame=SIDE_ON, size=64, **options) -> np.ndarray:
    return draw_points(
        np.array(points, float), np.array(colors), size, frame=frame, **options
    )


def ink(picture: np.ndarray) -> np.ndarray:
    return np.argwhere((picture < 250).any(axis=-1))


def test_tensors_and_arrays_give_the_same_points() -> None:
    tensor = torch.tensor(POINTS, requires_grad=True)
    np.testing.assert_array_equal(to_points(tensor), POINTS)
    half = torch.tensor(POINTS, dtype=torch.bfloat16)
    np.testing.assert_array_equal(to_numpy(half), POINTS)
    with_features = np.concatenate([POINTS, POINTS], axis=1)
    np.testing.assert_array_equal(to_points(with_features), POINTS)


@pytest.mark.parametrize('points', [POINTS[None], POINTS[:0], POINTS * np.nan])
def test_what_is_no_cloud_is_refused(points: np.ndarray) -> None:
    with pytest.raises(ValueError, match='dense must'):
        to_points(points, 'dense')


@pytest.mark.parametrize('axis', ['x', 'y', 'z'])
def test_upright_puts_the_axis_last_without_mirroring(axis: str) -> None:
    turned = upright(np.eye(3), axis)
    np.testing.assert_array_equal(turned[:, 2], np.eye(3)['xyz'.index(axis)])
    assert np.linalg.det(turned) == pytest.approx(1)


def test_colors_by_height_label_and_class() -> None:
    low, high = height_colors(POINTS, 'y')
    assert low[2] > low[0]
    assert high[0] > high[2]
    above = height_colors(POINTS + 9, 'y', like=POINTS)
    np.testing.assert_allclose(above, [high, high])
    labels = label_colors(np.array([3, -1, 19]))
    np.testing.assert_allclose(labels, [PALETTE[3], [0.78] * 3, PALETTE[3]])
    assert class_colors(1, [(255, 0, 51)]).tolist() == [[1, 0, 0.2]]
    ours = class_colors(20, [(255, 0, 0)])  # too short a palette
    np.testing.assert_array_equal(ours, PALETTE[np.arange(20) % 16])


def test_a_point_is_a_ball_at_its_place() -> None:
    picture = draw([[0, 0, 0]], [RED], ball=0.1)
    assert picture.shape == (64, 64, 3)
    assert picture.dtype == np.uint8
    rows, columns = ink(picture).T
    assert rows.mean() == pytest.approx(31.75, abs=1)
    assert columns.mean() == pytest.approx(31.75, abs=1)
    assert len(rows) == pytest.approx(np.pi * 6.4**2, rel=0.2)
    assert picture[32, 32, 0] > picture[32, 32, 2]
    # Light comes from the upper left.
    assert picture[29, 29, 0] > picture[35, 35, 0]


def test_up_is_up_and_right_is_right() -> None:
    high = ink(draw([[0, 0, 0.8]], [RED])).mean(axis=0)
    right = ink(draw([[0, 0.8, 0]], [RED])).mean(axis=0)
    assert high[0] < 12
    assert high[1] == pytest.approx(32, abs=1)
    assert right[1] > 52
    assert right[0] == pytest.approx(32, abs=1)


def test_what_is_near_covers_what_is_far_and_paler() -> None:
    points = [[0.5, 0, 0], [-0.5, 0, 0]]
    first = draw(points, [RED, BLUE], ball=0.1)[32, 32].astype(int)
    second = draw(points[::-1], [RED, BLUE], ball=0.1)[32, 32].astype(int)
    assert first[0] > first[2]
    assert second[2] > second[0]
    far = draw([points[1]], [RED], ball=0.1)[32, 32].astype(int)
    assert far[2] > first[2] + 20


def test_fit_frame_shows_all_of_a_cloud_and_fills_the_picture() -> None:
    cube = np.array(
        [[x, y, z] for x in (4, 6) for y in (0, 2) for z in (-9, -7)], float
    )
    picture = draw_points(cube, np.full((8, 3), 0.2), 100, ball=0.02)
    where = ink(picture)
    assert where.min() > 2
    assert where.max() < 97
    assert np.ptp(where, axis=0).max() > 75
    frame = fit_frame(cube)
    assert fit_frame(cube - 7).radius == pytest.approx(frame.radius)
