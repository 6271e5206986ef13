from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.synthetic import get_category
from mmdet3d_act.synthetic import vessels as module

from .objects import check_category, drawn

NAMES = ['bathtub', 'bottle', 'bowl', 'mug', 'vase']


@pytest.mark.parametrize('name', NAMES)
def test_objects_are_sound_and_differ(name: str) -> None:
    assert get_category(name).build.__module__ == module.__name__
    check_category(name)


def test_a_mug_is_hollow() -> None:
    parts = get_category('mug').part_names
    for shape in drawn('mug', 5):
        body = shape.faces[shape.labels == parts.index('body')]
        corners = shape.vertices[body].mean(axis=1)
        # Away from the floor nothing of the body is near the axis.
        axis = (corners.min(axis=0) + corners.max(axis=0)) / 2
        high = corners[:, 1] > 0.5 * corners[:, 1].max()
        away = np.linalg.norm((corners - axis)[high][:, [0, 2]], axis=1)
        assert away.min() > 0.5 * away.max()
