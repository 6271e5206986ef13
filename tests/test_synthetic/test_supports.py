from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.synthetic import ShapeBuilder
from mmdet3d_act.synthetic.mesh import joined
from mmdet3d_act.synthetic.supports import (
    crossed,
    four_legs,
    pedestal,
    slab_top,
    slabs,
    sled,
    support,
)


def builder(seed: int) -> ShapeBuilder:
    return ShapeBuilder(('part',), np.random.default_rng(seed))


@pytest.mark.parametrize(
    'make', [four_legs, pedestal, slabs, sled, crossed, support]
)
def test_supports_fill_the_height_below_what_they_carry(make) -> None:
    sizes = []
    for seed in range(8):
        vertices = joined(make(builder(seed), 1.0, 0.6, 0.5)).vertices
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        assert -0.06 < low[1] < 0.05
        assert 0.45 < high[1] < 0.56
        assert (np.abs(vertices[:, [0, 2]]) < [0.7, 0.5]).all()
        sizes.append(tuple(np.round(high - low, 6)))
    assert len(set(sizes)) > 3


def test_support_keeps_to_the_styles() -> None:
    counts = {
        len(support(builder(seed), 1, 1, 1, ('sled',))) for seed in range(9)
    }
    assert counts == {2}


def test_top_leaves_less_room_below_an_oval() -> None:
    straight = slab_top(builder(0), 1.0, 0.5, 0.1, ('box',))
    oval = slab_top(builder(0), 1.0, 0.5, 0.1, ('oval',))
    assert (straight.width, straight.depth) == (1.0, 0.5)
    assert oval.width < 0.9
    np.testing.assert_allclose(
        np.ptp(oval.mesh.vertices, axis=0), [1.0, 0.1, 0.5], rtol=0.02
    )
