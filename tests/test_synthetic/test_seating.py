from __future__ import annotations

import pytest

from mmdet3d_act.synthetic import get_category
from mmdet3d_act.synthetic import seating as module

from .objects import check_category, drawn

NAMES = ['bed', 'bench', 'chair', 'sofa', 'stool']


@pytest.mark.parametrize('name', NAMES)
def test_objects_are_sound_and_differ(name: str) -> None:
    assert get_category(name).build.__module__ == module.__name__
    check_category(name)


def test_chairs_have_a_back_above_the_seat_and_often_no_armrests() -> None:
    parts = get_category('chair').part_names
    with_arms = 0
    for shape in drawn('chair'):
        height = shape.vertices[shape.faces].mean(axis=1)[:, 1]
        seat = height[shape.labels == parts.index('seat')]
        back = height[shape.labels == parts.index('back')]
        assert back.mean() > seat.mean()
        with_arms += parts.index('armrest') in shape.labels
    assert 5 < with_arms < 35
