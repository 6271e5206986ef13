from __future__ import annotations

import numpy as np
import pytest
from trimesh import Trimesh

from mmdet3d_act.synthetic.solids import (
    Solid,
    ball,
    box,
    cylinder,
    four,
    join,
    pair,
    revolve,
    rod,
    vessel,
)


def volume(solid: Solid) -> float:
    return Trimesh(*solid, process=False).volume


def test_volumes_agree_with_geometry() -> None:
    for solid, expected in (
        (box(2, 1, 1, taper=(0.5, 1)), 1.5),
        (cylinder(1, 2, sides=64), 2 * np.pi),
        (cylinder(1, 3, top=0, sides=64), np.pi),
        (ball(2, 4, 6), 4 / 3 * np.pi * 6),
        (rod((0, 0, 0), (0, 3, 0), 1, sides=64), 3 * np.pi),
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


def test_a_vessel_is_hollow() -> None:
    outer = np.array([[1.0, 0.0], [1.0, 2.0]])
    full = revolve(np.concatenate([[[0, 0]], outer, [[0, 2]]]))
    gone = np.pi * 0.9**2 * 1.9
    missing = volume(full) - volume(vessel(outer, 0.1))
    assert missing == pytest.approx(gone, rel=0.03)
