from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.synthetic import category_names
from mmdet3d_act.synthetic.fixtures import FIXTURES, basin, tap
from mmdet3d_act.synthetic.mesh import volume


@pytest.mark.parametrize('name', FIXTURES)
def test_fixtures_are_sound_and_differ(name: str) -> None:
    fixture = FIXTURES[name]
    shapes = [fixture.draw(np.random.default_rng(i)) for i in range(12)]
    seen = np.unique(np.concatenate([shape.labels for shape in shapes]))
    np.testing.assert_array_equal(seen, np.arange(len(fixture.part_names)))
    for shape in shapes:
        assert np.isfinite(shape.vertices).all()
        assert volume(shape) > 0
        np.testing.assert_allclose(shape.vertices[:, 1].min(), 0, atol=1e-9)
    sizes = np.array([np.ptp(shape.vertices, axis=0) for shape in shapes])
    assert (sizes.std(axis=0) > 0.01).sum() >= 2


def test_fixtures_are_no_categories_of_single_objects() -> None:
    assert not set(category_names()) & set(FIXTURES)


def test_flat_things_are_flat() -> None:
    for name in ('window', 'picture', 'curtain'):
        shape = FIXTURES[name].draw(np.random.default_rng(0))
        width, height, depth = np.ptp(shape.vertices, axis=0)
        assert depth < 0.35 * min(width, height)


def test_a_basin_is_open_at_the_top() -> None:
    mesh = basin(0.5, 0.4, 0.2)
    np.testing.assert_allclose(mesh.vertices[:, 1].min(), 0)
    np.testing.assert_allclose(mesh.vertices[:, 1].max(), 0.2)
    assert 0 < volume(mesh) < 0.4 * 0.5 * 0.4 * 0.2


def test_a_tap_reaches_forward() -> None:
    mesh = tap(0.2)
    assert mesh.vertices[:, 2].max() > 0.12
    assert volume(mesh) > 0
