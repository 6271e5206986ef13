from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.synthetic.mesh import volume
from mmdet3d_act.synthetic.primitives import (
    box,
    cylinder,
    ellipsoid,
    hollow,
    loft,
    plate,
    revolve,
    ring,
    rod,
    rounded_box,
    smooth,
    stack,
    torus,
    tube,
)


def extent(mesh) -> np.ndarray:
    return np.ptp(mesh.vertices, axis=0)


def test_volumes_agree_with_geometry() -> None:
    assert volume(box(2, 1, 1, taper=(0.5, 1))) == pytest.approx(1.5)
    assert volume(cylinder(1, 2, sides=64)) == pytest.approx(
        2 * np.pi, rel=0.01
    )
    assert volume(cylinder(1, 3, top=0, sides=64)) == pytest.approx(
        np.pi, rel=0.01
    )
    assert volume(ellipsoid(2, 4, 6, rows=24)) == pytest.approx(
        4 / 3 * np.pi * 6, rel=0.03
    )
    assert volume(torus(1, 0.2)) == pytest.approx(
        2 * np.pi**2 * 0.04, rel=0.13
    )
    assert volume(rod([0, 0, 0], [0, 3, 0], 1, sides=64)) == pytest.approx(
        3 * np.pi, rel=0.01
    )


def test_extents() -> None:
    np.testing.assert_allclose(extent(box(1, 2, 3)), [1, 2, 3])
    np.testing.assert_allclose(extent(torus(1, 0.2))[1], 0.4, atol=0.01)
    soft = extent(rounded_box(1, 0.2, 2))
    np.testing.assert_allclose(soft, [1, 0.2, 2], rtol=0.06)
    assert extent(plate(ring(1, 3, sides=40), 0.1))[1] == pytest.approx(0.1)
    leaning = tube([[0, 0, 0], [1, 1, 1]], 0.1)
    assert (extent(leaning) > 1).all()


def test_ring_goes_from_ellipse_to_rectangle() -> None:
    oval, boxy = ring(2, 1, sides=200), ring(2, 1, power=20, sides=200)

    def area(points: np.ndarray) -> float:
        x, y = points.T
        return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2

    assert area(oval) == pytest.approx(np.pi / 2, rel=0.01)
    assert 1.9 < area(boxy) < 2.0


def test_loft_closes_both_ends_or_none() -> None:
    circle = np.insert(ring(1, 1, sides=6), 1, 0.0, axis=1)
    rings = circle + np.arange(3)[:, None, None] * np.array([0, 1, 0])
    mesh = loft(rings)
    edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert (counts == 2).all()
    assert len(loft(rings, closed=True).faces) == 3 * 6 * 2


def test_stack_and_revolve_agree_on_a_round_body() -> None:
    first = stack([(0, 2, 2), (1, 1, 1)], sides=24)
    second = revolve([(1, 0), (0.5, 1)])
    np.testing.assert_allclose(first.vertices, second.vertices)


def test_smooth_passes_its_knots() -> None:
    knots = np.array([[0.0, 0.0], [1.0, 2.0], [0.0, 3.0]])
    curve = smooth(knots, 4)
    assert curve.shape == (9, 2)
    np.testing.assert_allclose(curve[::4], knots, atol=1e-12)
    line = smooth([[0.0], [1.0], [2.0]], 5)[:, 0]
    np.testing.assert_allclose(line, np.linspace(0, 2, 11), atol=1e-12)


def test_hollow_leaves_a_wall() -> None:
    outer = np.array([[1.0, 0.0], [1.0, 2.0]])
    mesh = revolve(hollow(outer, 0.1), sides=64)
    solid = revolve(np.concatenate([[[0, 0]], outer, [[0, 2]]]), sides=64)
    gone = np.pi * 0.9**2 * 1.9
    assert volume(solid) - volume(mesh) == pytest.approx(gone, rel=0.01)
