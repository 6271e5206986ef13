from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mmdet3d_act.visualization.arrays import (
    PALETTE,
    height_colors,
    paired,
    prepare_path,
    to_colors,
    to_numpy,
    to_points,
    upright,
)

POINTS = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])


def test_tensors_and_arrays_give_the_same() -> None:
    tensor = torch.tensor(POINTS, requires_grad=True)
    np.testing.assert_array_equal(to_numpy(tensor), POINTS)
    np.testing.assert_array_equal(
        to_numpy(tensor.detach().to(torch.bfloat16)), POINTS
    )
    assert to_numpy(torch.tensor([True])).dtype == np.bool_


def test_to_points_drops_features() -> None:
    rows = np.concatenate([POINTS, [[9.0], [9.0]]], axis=1)
    np.testing.assert_array_equal(to_points(rows), POINTS)


def test_to_points_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match=r'clouds\[1\] must have shape'):
        to_points(POINTS[None], 'clouds[1]')


def test_to_points_refuses_nan() -> None:
    bad = np.array([[0, 0, np.nan], [0, 0, 0]])
    with pytest.raises(ValueError, match='got 1 of 2 points with NaN'):
        to_points(bad)


@pytest.mark.parametrize('axis', ['x', 'y', 'z'])
def test_upright_puts_the_axis_last_without_mirroring(axis: str) -> None:
    turned = upright(np.eye(3), axis)
    up = np.eye(3)['xyz'.index(axis)]
    np.testing.assert_array_equal(turned @ [0, 0, 1], up)
    assert np.linalg.det(turned) == pytest.approx(1)


def test_upright_refuses_an_unknown_axis() -> None:
    with pytest.raises(ValueError, match="got 'up'"):
        upright(POINTS, 'up')


def test_height_colors_run_with_the_height() -> None:
    colors = height_colors(POINTS, 'y')
    assert colors[0, 2] > colors[0, 0]
    assert colors[1, 0] > colors[1, 2]


def test_to_colors_reads_every_form() -> None:
    one = to_colors((0.1, 0.2, 0.3), POINTS, 'y')
    np.testing.assert_allclose(one, [[0.1, 0.2, 0.3]] * 2)
    bytes_ = to_colors(np.full((2, 3), 255, np.uint8), POINTS, 'y')
    np.testing.assert_allclose(bytes_, 1)
    labels = to_colors(np.array([3, -1]), POINTS, 'y')
    np.testing.assert_allclose(labels, [PALETTE[3], [0.75] * 3])
    np.testing.assert_allclose(
        to_colors(None, POINTS, 'y'), height_colors(POINTS, 'y')
    )


def test_to_colors_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match=r'got \(5, 3\)'):
        to_colors(np.zeros((5, 3)), POINTS, 'y')


def test_to_colors_refuses_values_over_one() -> None:
    with pytest.raises(ValueError, match=r'got 0.0 to 7.0'):
        to_colors((0.0, 7.0, 0.0), POINTS, 'y')


def test_paired_wants_one_each() -> None:
    assert paired(None, 2, 'titles') == [None, None]
    assert paired(['a'], 1, 'titles') == ['a']
    with pytest.raises(ValueError, match='titles must have one entry'):
        paired(['a'], 2, 'titles')


def test_prepare_path_makes_the_folder(tmp_path: Path) -> None:
    path = prepare_path(tmp_path / 'a' / 'b.PNG', '.png')
    assert path.parent.is_dir()
    with pytest.raises(ValueError, match=r'must end in \.ply'):
        prepare_path(tmp_path / 'a.png', '.ply')
