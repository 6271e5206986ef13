from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.datasets.scannet import (
    DETECTION_CLASSES,
    DETECTION_IDS,
)
from mmdet3d_act.synthetic.furniture import (
    KINDS,
    NYU40,
    draw_box,
    draw_item,
    draw_kitchen_row,
)


def test_numbers_are_those_of_the_masks() -> None:
    other = {
        'showercurtrain': 'shower curtain',
        'garbagebin': 'otherfurniture',
    }
    for name, number in zip(DETECTION_CLASSES, DETECTION_IDS, strict=True):
        assert NYU40[other.get(name, name)] == number
    assert len(set(NYU40.values())) == len(NYU40)


def test_every_class_has_a_kind() -> None:
    # Counters are made together with the cabinets below them.
    labels = {NYU40[kind.label] for kind in KINDS.values()}
    assert set(DETECTION_IDS) - labels == {NYU40['counter']}


@pytest.mark.parametrize('name', KINDS)
def test_things_have_the_size_and_colour_of_their_kind(name: str) -> None:
    kind = KINDS[name]
    tones = []
    for seed in range(5):
        item = draw_item(name, np.random.default_rng(seed))
        measured = {
            'width': item.size[0],
            'height': item.size[2],
            'longest': item.size.max(),
        }[kind.measure]
        assert kind.low <= measured <= kind.high
        assert item.size.max() < 3.5
        low, high = item.vertices.min(axis=0), item.vertices.max(axis=0)
        np.testing.assert_allclose(low[2], 0, atol=1e-9)
        np.testing.assert_allclose((low + high)[:2], 0, atol=1e-9)
        assert 0 < item.top <= item.size[2] + 1e-9
        assert item.colors.shape == item.faces.shape
        assert 0 <= item.colors.min() <= item.colors.max() <= 1
        tones.append(item.colors.mean(axis=0))
    assert np.std(tones, axis=0).max() > 0.005


def test_a_desk_carries_things_on_its_plate() -> None:
    tops = []
    for seed in range(20):
        desk = draw_item('desk', np.random.default_rng(seed))
        tops.append(desk.top / desk.size[2])
    # Some have a shelf above the plate.
    assert max(tops) > 0.95
    assert min(tops) < 0.9


def test_a_placed_thing_is_turned_to_the_left_and_moved() -> None:
    item = draw_box(
        'cabinet', (2.0, 1.0, 0.5), 'wood', np.random.default_rng(0)
    )
    np.testing.assert_allclose(item.size, [2.0, 0.5, 1.0])
    placed = item.placed(np.pi / 2, np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(
        placed.vertices.max(axis=0), [1.25, 3.0, 4.0], atol=1e-9
    )
    assert placed.top == pytest.approx(4.0)


def test_a_kitchen_row_fits_together() -> None:
    for seed in range(8):
        row = draw_kitchen_row(np.random.default_rng(seed))
        base, counter, sink = (
            (part.vertices.min(axis=0), part.vertices.max(axis=0))
            for part in (row.base, row.counter, row.sink)
        )
        assert base[1][2] <= counter[0][2]
        assert counter[0][2] < counter[1][2] < 1.2
        assert sink[0][2] > 0.6
        # The sink is within the worktop, which has a hole there.
        assert (sink[0][:2] > counter[0][:2]).all()
        assert (sink[1][:2] < counter[1][:2]).all()
        middle = (sink[0] + sink[1])[:2] / 2
        corners = row.counter.vertices[row.counter.faces][..., :2]
        low, high = corners.min(axis=1), corners.max(axis=1)
        over = ((low < middle) & (middle < high)).all(axis=1)
        assert not over.any()


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="got 'teapot'; correct"):
        draw_item('teapot', np.random.default_rng(0))
