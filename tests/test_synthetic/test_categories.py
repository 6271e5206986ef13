from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.synthetic.catalog import (
    category_names,
    get_category,
    stream,
)
from mmdet3d_act.synthetic.category import REGISTRY, Category, Draw, Shape
from mmdet3d_act.synthetic.solids import Solid, box, volume

# Sets on disk name and number them: neither may change.
PARTS = {
    'airplane': '02691156 body wing tail engine',
    'bathtub': '02808440 tub foot tap',
    'bed': '02818832 frame mattress headboard footboard pillow support',
    'bench': '02828884 seat back support armrest',
    'bookshelf': '02871439 frame board backing book',
    'bottle': '02876657 body neck cap',
    'bowl': '02880940 body foot handle',
    'cabinet': '02933112 body door handle support',
    'cap': '02954340 crown brim button',
    'car': '02958343 body cabin wheel trim',
    'chair': '03001627 seat back support armrest',
    'desk': '99000002 top support drawer handle shelf',
    'display': '03211117 screen frame neck base',
    'guitar': '03467517 body neck head bridge',
    'knife': '03624134 blade handle guard',
    'lamp': '03636649 base pole shade bulb',
    'laptop': '03642806 base screen keyboard',
    'mug': '03797390 body handle',
    'rocket': '04099429 body nose fin booster nozzle',
    'skateboard': '04225987 deck truck wheel',
    'sofa': '04256520 seat back armrest support',
    'stool': '99000001 seat support footrest back',
    'table': '04379243 top support shelf',
    'vase': '99000003 body foot handle',
}


def tower(draw: Draw) -> None:
    draw.add('bottom', box(1, 1, 1))
    draw.add('top', box(1, draw(0.5, 2), 1).at(y=1))


TOWER = Category('tower', '99999999', ('bottom', 'top'), tower)


def drawn(name: str, number: int = 40) -> list[Shape]:
    kind = get_category(name)
    return [kind.draw(stream(0, 'check', name, i)) for i in range(number)]


def test_categories_keep_names_synsets_and_parts() -> None:
    kinds = [get_category(name) for name in category_names()]
    assert {
        kind.name: ' '.join([kind.synset, *kind.part_names]) for kind in kinds
    } == PARTS


@pytest.mark.parametrize('name', sorted(REGISTRY))
def test_objects_are_sound_and_differ(name: str) -> None:
    shapes = drawn(name)
    parts = get_category(name).part_names
    seen = np.unique(np.concatenate([shape.labels for shape in shapes]))
    np.testing.assert_array_equal(seen, np.arange(len(parts)))
    for shape in shapes:
        assert np.isfinite(shape.vertices).all()
        assert volume(Solid(shape.vertices, shape.faces)) > 0
        assert shape.faces.max() < len(shape.vertices)
        low, high = shape.vertices.min(axis=0), shape.vertices.max(axis=0)
        np.testing.assert_allclose(low[1], 0, atol=1e-9)
        np.testing.assert_allclose((low + high)[[0, 2]], 0, atol=1e-9)
        assert 0.5 < (high - low).max() < 2.5
    extents = np.array([np.ptp(shape.vertices, axis=0) for shape in shapes])
    assert (extents / extents.max()).std(axis=0).max() > 0.01
    assert len({tuple(row.round(6)) for row in extents}) == len(shapes)


def test_draw_labels_the_parts() -> None:
    shape = TOWER.draw(np.random.default_rng(0))
    np.testing.assert_array_equal(np.bincount(shape.labels), [12, 12])
    heights = shape.vertices[shape.faces].mean(axis=1)[:, 1]
    top = shape.labels == 1
    assert heights[top].mean() > heights[~top].mean()


def test_draw_follows_the_stream() -> None:
    first, again, other = (
        TOWER.draw(np.random.default_rng(seed)).vertices for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_no_object_is_exactly_symmetric() -> None:
    vertices = TOWER.draw(np.random.default_rng(0)).vertices
    mirrored = vertices * [-1, 1, 1]
    gaps = np.abs(vertices[:, None] - mirrored[None]).sum(axis=-1).min(axis=1)
    assert gaps.max() > 1e-3


def test_random_choices_stay_in_their_range() -> None:
    draw = Draw((), np.random.default_rng(0))
    numbers = [draw(2, 3) for _ in range(50)]
    assert 2 <= min(numbers) < 2.2 < 2.8 < max(numbers) <= 3
    assert {draw.count(1, 3) for _ in range(50)} == {1, 2, 3}
    assert {draw.pick('a', 'b') for _ in range(50)} == {'a', 'b'}
    assert 20 < sum(draw.chance(0.5) for _ in range(80)) < 60


def test_streams_differ_by_each_of_their_words() -> None:
    words = (3, 'train', 'chair', 7)
    assert stream(*words).random() == stream(*words).random()
    others = [(4, *words[1:]), (3, 'test', 'chair', 7),
              (3, 'train', 'table', 7), (*words[:3], 8)]  # fmt: skip
    drawn = {stream(*other).random() for other in [words, *others]}
    assert len(drawn) == 5
