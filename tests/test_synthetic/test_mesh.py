from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.synthetic.mesh import (
    Mesh,
    Shape,
    joined,
    oriented,
    rotation,
    sample_surface,
    volume,
)
from mmdet3d_act.synthetic.primitives import box


def as_shape(mesh: Mesh) -> Shape:
    labels = np.arange(len(mesh.faces))
    return Shape(mesh.vertices, mesh.faces, labels, ())


def test_rotation_turns_right_handed() -> None:
    turn = rotation('y', np.pi / 2)
    np.testing.assert_allclose(turn @ [0, 0, 1], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(
        rotation('x', 0.3) @ rotation('x', -0.3), np.eye(3), atol=1e-12
    )


def test_volume_and_orientation_of_a_box() -> None:
    mesh = box(1, 2, 3)
    assert volume(mesh) == pytest.approx(6)
    inside_out = Mesh(mesh.vertices, mesh.faces[:, ::-1])
    assert volume(inside_out) == pytest.approx(-6)
    assert volume(oriented(inside_out)) == pytest.approx(6)


def test_transforms_keep_the_volume() -> None:
    mesh = box(1, 2, 3).moved(1, 2, 3)
    np.testing.assert_allclose(mesh.vertices.mean(axis=0), [1, 2, 3])
    assert volume(mesh.mirrored('x')) == pytest.approx(6)
    assert mesh.mirrored('x').vertices[:, 0].max() == pytest.approx(-0.5)
    assert volume(mesh.turned('z', 0.4, (1, 0, 0))) == pytest.approx(6)
    assert volume(mesh.scaled(2, 1, 0.5)) == pytest.approx(6)
    pivoted = mesh.turned('y', np.pi, (1, 0, 3))
    np.testing.assert_allclose(pivoted.vertices.mean(axis=0), [1, 2, 3])


def test_joined_keeps_both() -> None:
    both = joined([box(1, 1, 1), box(1, 1, 2).moved(x=5)])
    assert both.vertices.shape == (16, 3)
    assert volume(both) == pytest.approx(3)


def test_sampling_is_weighted_by_area_with_outward_normals() -> None:
    shape = as_shape(box(1, 1, 4))
    cloud = sample_surface(shape, 9000, np.random.default_rng(0))
    assert cloud.points.dtype == np.float32
    assert cloud.points.shape == cloud.normals.shape == (9000, 3)
    # The two ends have 2 of 18 units of area.
    ends = np.abs(cloud.points[:, 2]) > 1.9999
    assert ends.mean() == pytest.approx(2 / 18, abs=0.01)
    outward = (cloud.points * cloud.normals).sum(axis=1)
    assert (outward > 0.4).all()
    np.testing.assert_array_equal(np.unique(cloud.labels), np.arange(12))
    np.testing.assert_allclose(
        np.linalg.norm(cloud.normals, axis=1), 1, atol=1e-5
    )


def test_sampling_follows_the_generator() -> None:
    shape = as_shape(box(1, 1, 1))
    first = sample_surface(shape, 50, np.random.default_rng(1)).points
    again = sample_surface(shape, 50, np.random.default_rng(1)).points
    other = sample_surface(shape, 50, np.random.default_rng(2)).points
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_refuses_no_points() -> None:
    shape = as_shape(box(1, 1, 1))
    with pytest.raises(ValueError, match='num_points must be at least 1'):
        sample_surface(shape, 0, np.random.default_rng(0))


def test_refuses_a_shape_without_area() -> None:
    shape = as_shape(box(0, 0, 0))
    with pytest.raises(ValueError, match='positive area, got 0'):
        sample_surface(shape, 5, np.random.default_rng(0))
