from __future__ import annotations

import pytest

from mmdet3d_act.synthetic import get_category
from mmdet3d_act.synthetic import storage as module

from .objects import check_category, drawn

NAMES = ['bookshelf', 'cabinet', 'desk', 'table']


@pytest.mark.parametrize('name', NAMES)
def test_objects_are_sound_and_differ(name: str) -> None:
    assert get_category(name).build.__module__ == module.__name__
    check_category(name)


def test_table_top_is_above_its_support() -> None:
    parts = get_category('table').part_names
    for shape in drawn('table', 10):
        height = shape.vertices[shape.faces].mean(axis=1)[:, 1]
        top = height[shape.labels == parts.index('top')]
        support = height[shape.labels == parts.index('support')]
        assert top.mean() > support.mean()
