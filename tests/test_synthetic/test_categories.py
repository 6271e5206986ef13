from __future__ import annotations

import numpy as np
import pytest
from trimesh import Trimesh

from mmdet3d_act.synthetic.category import (
    REGISTRY,
    Shape,
    category_names,
    get_category,
    stream,
)

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
        assert Trimesh(shape.vertices, shape.faces, process=False).volume > 0
        assert shape.faces.max() < len(shape.vertices)
        low, high = shape.vertices.min(axis=0), shape.vertices.max(axis=0)
        np.testing.assert_allclose(low[1], 0, atol=1e-9)
        np.testing.assert_allclose((low + high)[[0, 2]], 0, atol=1e-9)
        assert 0.5 < (high - low).max() < 2.5
    extents = np.array([np.ptp(shape.vertices, axis=0) for shape in shapes])
    assert (extents / extents.max()).std(axis=0).max() > 0.01
    assert len({tuple(row.round(6)) for row in extents}) == len(shapes)
