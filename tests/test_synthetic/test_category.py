from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.synthetic import Category, ShapeBuilder
from mmdet3d_act.synthetic.category import category, registered
from mmdet3d_act.synthetic.primitives import box


def tower(builder: ShapeBuilder) -> None:
    builder.add('bottom', box(1, 1, 1))
    builder.add('top', box(1, builder.uniform(0.5, 2), 1).moved(y=1))


TOWER = Category('tower', '99999999', ('bottom', 'top'), tower)


def test_draw_labels_the_parts_and_stands_on_the_ground() -> None:
    shape = TOWER.draw(np.random.default_rng(0))
    np.testing.assert_array_equal(np.bincount(shape.labels), [12, 12])
    np.testing.assert_allclose(shape.vertices[:, 1].min(), 0, atol=1e-12)
    heights = shape.vertices[shape.faces].mean(axis=1)[:, 1]
    assert (
        heights[shape.labels == 1].mean() > heights[shape.labels == 0].mean()
    )


def test_draw_follows_the_generator() -> None:
    first = TOWER.draw(np.random.default_rng(3)).vertices
    again = TOWER.draw(np.random.default_rng(3)).vertices
    other = TOWER.draw(np.random.default_rng(4)).vertices
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_no_object_is_exactly_symmetric() -> None:
    vertices = TOWER.draw(np.random.default_rng(0)).vertices
    mirrored = vertices * [-1, 1, 1]
    gaps = np.abs(vertices[:, None] - mirrored[None]).sum(axis=-1).min(axis=1)
    assert gaps.max() > 1e-3


def test_random_choices_stay_in_their_range() -> None:
    builder = ShapeBuilder((), np.random.default_rng(0))
    numbers = [builder.uniform(2, 3) for _ in range(50)]
    assert 2 <= min(numbers) < 2.2 < 2.8 < max(numbers) <= 3
    assert {builder.count(1, 3) for _ in range(50)} == {1, 2, 3}
    assert {builder.pick('a', 'b') for _ in range(50)} == {'a', 'b'}
    assert 20 < sum(builder.chance(0.5) for _ in range(80)) < 60


def test_refuses_an_unknown_part() -> None:
    builder = ShapeBuilder(('seat',), np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"one of \('seat',\), got 'wing'"):
        builder.add('wing', box(1, 1, 1))


def test_refuses_an_empty_shape() -> None:
    builder = ShapeBuilder(('seat',), np.random.default_rng(0))
    with pytest.raises(ValueError, match='must have parts, got none'):
        builder.build()


@pytest.mark.parametrize(
    ('name', 'synset'), [('chair', '99123456'), ('seat', '03001627')]
)
def test_refuses_a_second_category_of_a_name(name: str, synset: str) -> None:
    assert 'chair' in registered()
    with pytest.raises(ValueError, match='must be new'):
        category(name, synset, ('seat',))
