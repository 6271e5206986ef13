"""Checks that hold for the categories of every module."""

from __future__ import annotations

import numpy as np

from mmdet3d_act.synthetic import Shape, get_category, shape_rng
from mmdet3d_act.synthetic.mesh import volume

NUM_DRAWN = 40


def drawn(name: str, number: int = NUM_DRAWN) -> list[Shape]:
    """Return objects of a category."""
    category = get_category(name)
    return [
        category.draw(shape_rng(0, 'check', name, index))
        for index in range(number)
    ]


def check_category(name: str) -> None:
    """Assert that the objects of a category are sound and differ."""
    shapes = drawn(name)
    parts = get_category(name).part_names
    assert len(parts) >= 2
    seen = np.unique(np.concatenate([shape.labels for shape in shapes]))
    np.testing.assert_array_equal(seen, np.arange(len(parts)))
    for shape in shapes:
        assert np.isfinite(shape.vertices).all()
        assert volume(shape) > 0
        assert shape.faces.max() < len(shape.vertices)
        np.testing.assert_allclose(shape.vertices[:, 1].min(), 0, atol=1e-9)
        extent = np.ptp(shape.vertices, axis=0)
        assert 0.5 < extent.max() < 2.5
    ratios = np.array(
        [
            np.ptp(shape.vertices, axis=0) / np.ptp(shape.vertices)
            for shape in shapes
        ]
    )
    assert (ratios.std(axis=0) > 0.01).sum() >= 2
    assert len({len(shape.faces) for shape in shapes}) >= 2
