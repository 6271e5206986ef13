from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.synthetic.solids import (
    ball,
    box,
    cylinder,
    four,
    join,
    loft,
    pair,
    revolve,
    ring,
    rod,
    smooth,
    tube,
    vessel,
    volume,
)


def extent(solid) -> np.ndarray:
    return np.ptp(solid.vertices, axis=0)


def test_volumes_agree_with_geometry() -> None:
    circle = np.insert(ring(2, 2, sides=40), 1, 0.0, axis=1)
    for solid, expected in (
        (box(2, 1, 1, taper=(0.5, 1)), 1.5),
        (cylinder(1, 2, sides=64), 2 * np.pi),
        (cylinder(1, 3, top=0, sides=64), np.pi),
        (ball(2, 4, 6), 4 / 3 * np.pi * 6),
        (rod((0, 0, 0), (0, 3, 0), 1, sides=64), 3 * np.pi),
        (tube(circle, 0.2, sides=32, closed=True), 2 * np.pi**2 * 0.04),
    ):
        assert volume(solid) == pytest.approx(expected, rel=0.09)


def test_moves_keep_the_volume_and_the_outside() -> None:
    solid = box(1, 2, 3).at(1, 2, 3)
    np.testing.assert_allclose(solid.vertices.mean(axis=0), [1, 2, 3])
    assert volume(solid.scaled(-1, 1, 1)) == pytest.approx(6)
    assert solid.scaled(-1, 1, 1).vertices[:, 0].max() == pytest.approx(-0.5)
    assert volume(solid.turned('z', 0.4, (1, 0, 0))) == pytest.approx(6)
    pivoted = solid.turned('y', np.pi, (1, 0, 3))
    np.testing.assert_allclose(pivoted.vertices.mean(axis=0), [1, 2, 3])
    assert volume(join(solid, box(1, 1, 1))) == pytest.approx(7)
    places = four(box(1, 1, 1).at(2, 0, 3)).vertices.reshape(4, 8, 3)
    middles = {tuple(row) for row in places.mean(axis=1)}
    assert middles == {(x, 0, z) for x in (-2, 2) for z in (-3, 3)}
    assert volume(pair(solid, 'y')) == pytest.approx(12)


def test_primitives_do_not_share_their_vertices() -> None:
    first = box(1, 1, 1)
    first.vertices[:] = 0
    np.testing.assert_allclose(extent(box(1, 2, 3)), [1, 2, 3])


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
    solid = loft(rings)
    edges = np.sort(solid.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert (counts == 2).all()
    assert len(loft(rings, closed=True).faces) == 3 * 6 * 2


def test_smooth_passes_its_knots() -> None:
    knots = np.array([[0.0, 0.0], [1.0, 2.0], [0.0, 3.0]])
    curve = smooth(knots, 4)
    assert curve.shape == (9, 2)
    np.testing.assert_allclose(curve[::4], knots, atol=1e-12)
    line = smooth([[0.0], [1.0], [2.0]], 5)[:, 0]
    np.testing.assert_allclose(line, np.linspace(0, 2, 11), atol=1e-12)


def test_a_vessel_is_hollow() -> None:
    outer = np.array([[1.0, 0.0], [1.0, 2.0]])
    full = revolve(np.concatenate([[[0, 0]], outer, [[0, 2]]]))
    gone = np.pi * 0.9**2 * 1.9
    missing = volume(full) - volume(vessel(outer, 0.1))
    assert missing == pytest.approx(gone, rel=0.03)
