from __future__ import annotations

import pytest

from mmdet3d_act.synthetic import get_category
from mmdet3d_act.synthetic import vehicles as module

from .objects import check_category, drawn

NAMES = ['airplane', 'car', 'rocket', 'skateboard']


@pytest.mark.parametrize('name', NAMES)
def test_objects_are_sound_and_differ(name: str) -> None:
    assert get_category(name).build.__module__ == module.__name__
    check_category(name)


def test_a_car_stands_on_four_wheels() -> None:
    parts = get_category('car').part_names
    for shape in drawn('car', 10):
        corners = shape.vertices[
            shape.faces[shape.labels == parts.index('wheel')]
        ]
        assert corners[..., 1].min() < 0.05
        quarters = {(x > 0, z > 0) for x, z in corners.mean(axis=1)[:, [0, 2]]}
        assert len(quarters) == 4
