from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.synthetic import category_names, get_category, shape_rng


def test_there_are_twenty_categories_with_their_own_synsets() -> None:
    names = category_names()
    assert names == sorted(set(names))
    assert len(names) >= 20
    synsets = [get_category(name).synset for name in names]
    assert len(set(synsets)) == len(names)
    assert all(len(text) == 8 and text.isdigit() for text in synsets)


def test_categories_of_shapenet_carry_its_synset() -> None:
    known = {'airplane': '02691156', 'chair': '03001627', 'mug': '03797390'}
    for name, synset in known.items():
        assert get_category(name).synset == synset
    assert get_category('stool').synset > '99000000'


def test_streams_differ_by_each_of_their_words() -> None:
    words = (3, 'train', 'chair', 7)
    first = shape_rng(*words).random()
    assert shape_rng(*words).random() == first
    others = [
        (4, 'train', 'chair', 7),
        (3, 'test', 'chair', 7),
        (3, 'train', 'table', 7),
        (3, 'train', 'chair', 8),
    ]
    drawn = {shape_rng(*other).random() for other in others}
    assert len(drawn | {first}) == 5


def test_every_category_draws_distinct_objects() -> None:
    for name in category_names():
        shapes = [
            get_category(name).draw(shape_rng(0, 'x', name, index))
            for index in range(3)
        ]
        sizes = {tuple(np.ptp(s.vertices, axis=0).round(6)) for s in shapes}
        assert len(sizes) == 3, name


def test_refuses_an_unknown_category() -> None:
    with pytest.raises(ValueError, match="got 'dragon'; correct the name"):
        get_category('dragon')
