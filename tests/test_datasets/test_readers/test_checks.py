from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.datasets.readers import (
    BadSampleError,
    check_labels,
    check_points,
)
from mmdet3d_act.datasets.readers.checks import _first_file, stack_fields


@pytest.mark.parametrize(
    ('points', 'fault'),
    [
        (np.zeros((0, 3)), 'empty'),
        (np.zeros((4, 2)), r'\(N, 3 \+ F\), got shape \(4, 2\)'),
        (np.zeros(3), r'got shape \(3,\)'),
        (np.zeros((4, 3), complex), 'real numbers, got type complex'),
        (np.diag([1, np.nan, np.inf]), '2 of 3 .* the first is point 1'),
        (np.full((1, 3), 1e300), '1 of 1 points'),
        (np.diag([1e300, 1, 1]), '1 of 3 points'),
    ],
)
def test_check_points(points: np.ndarray, fault: str) -> None:
    with pytest.raises(BadSampleError, match=f'name: .*{fault}'):
        check_points(points, 'name')


def test_points_become_float32() -> None:
    points = np.arange(12).reshape(4, 3)[:, ::-1]
    checked = check_points(points, 'name')
    assert checked.dtype == np.float32
    assert checked.flags.c_contiguous
    np.testing.assert_array_equal(checked, points)


@pytest.mark.parametrize('dtype', [np.float64, np.int64])
def test_map_coordinates_keep_their_detail(
    dtype: type, logged: pytest.LogCaptureFixture
) -> None:
    """At 5.4e6 float32 has steps of 0.5; the scan is 20 wide."""
    rng = np.random.default_rng(0)
    scan = rng.uniform(-10, 10, (100, 3)).astype(dtype)
    offset = np.array([5e5, 5.4e6, 100]).astype(dtype)
    points = np.concatenate([scan + offset, scan], axis=1)
    _first_file.cache_clear()
    checked = check_points(points, 'name')
    check_points(points, 'b')
    assert logged.text.count('too far from the origin') == 1
    assert 'name: its coordinates' in logged.text
    np.testing.assert_array_equal(checked[:, 3:], scan.astype(np.float32))
    moved = checked[:, :3] - checked[:1, :3]
    np.testing.assert_allclose(moved, scan - scan[:1], atol=1e-5)
    assert np.abs(checked[:, :3]).max() < 21


@pytest.mark.parametrize('offset', [0.0, 1000.0])
def test_points_that_float32_can_hold_stay(offset: float) -> None:
    points = np.random.default_rng(0).uniform(0, 9, (50, 3)) + offset
    checked = check_points(points, 'name')
    np.testing.assert_array_equal(checked, points.astype(np.float32))


def test_stack_fields() -> None:
    kind = [('name', 'U3'), ('Z', 'f4'), ('X', 'u1'), ('r', 'i4'), ('Y', 'f8')]
    table = np.array([('a', 3, 1, 4, 2), ('b', 7, 5, 8, 6)], kind)
    assert stack_fields(table).tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    with pytest.raises(ValueError, match=r"no \['z'\], only \['x', 'y'\]"):
        stack_fields(np.zeros(2, [('x', 'f4'), ('y', 'f4')]))


def test_labels_become_whole_numbers() -> None:
    labels = check_labels(np.float32([0, 49, 7]), 'name')
    assert labels.dtype == np.int64
    assert labels.tolist() == [0, 49, 7]
    assert check_labels(np.array([7, 6], np.uint8), 'name', [6, 7]).size == 2


@pytest.mark.parametrize(
    ('values', 'allowed', 'text'),
    [
        ([0, 1.5, 2.5], None, '2 of 3 are not, the first is 1.5 of point 1'),
        ([0, 1, -1], None, 'first is -1 of point 2'),
        ([6, 8, 7], [6, 7], r'some of \[6, 7\], 1 of 3 .*is 8 of point 1'),
        ([0, 1e30], range(13), 'first is 1e[+]30 of point 1'),
    ],
)
def test_labels_that_are_none(
    values: list, allowed: list | None, text: str
) -> None:
    with pytest.raises(BadSampleError, match=f'name: .*{text}'):
        check_labels(np.array(values), 'name', allowed)
