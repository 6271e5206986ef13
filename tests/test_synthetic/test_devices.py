from __future__ import annotations

import pytest

from mmdet3d_act.synthetic import devices as module
from mmdet3d_act.synthetic import get_category

from .objects import check_category, drawn

NAMES = ['cap', 'display', 'guitar', 'knife', 'lamp', 'laptop']


@pytest.mark.parametrize('name', NAMES)
def test_objects_are_sound_and_differ(name: str) -> None:
    assert get_category(name).build.__module__ == module.__name__
    check_category(name)


def test_laptop_screen_stands_on_the_base() -> None:
    parts = get_category('laptop').part_names
    for shape in drawn('laptop', 5):
        corners = shape.vertices[shape.faces].mean(axis=1)[:, 1]
        base = corners[shape.labels == parts.index('base')]
        screen = corners[shape.labels == parts.index('screen')]
        assert screen.max() > base.max()
