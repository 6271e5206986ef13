from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.synthetic.items import (
    KINDS,
    Item,
    draw_item,
    plain_item,
)
from mmdet3d_act.synthetic.rooms import (
    Layout,
)
from mmdet3d_act.synthetic.solids import box

SIZE = np.array([4.0, 3.0, 2.5])


@pytest.fixture
def layout() -> Layout:
    return Layout(SIZE, np.random.default_rng(0))


def crate(width: float = 1.0, height: float = 0.8, depth: float = 0.5) -> Item:
    """Make a box that stands before a wall at y = 0."""
    solid = box(width, depth, height).at(0, -depth / 2 - 0.02, height / 2)
    rng = np.random.default_rng(0)
    return plain_item('wall', solid, rng)


def block(item: Item) -> np.ndarray:
    return np.array([item.vertices.min(axis=0), item.vertices.max(axis=0)])


@pytest.mark.parametrize('name', KINDS)
def test_things_have_the_size_and_colour_of_their_kind(name: str) -> None:
    kind = KINDS[name]
    tones = []
    for seed in range(5):
        item = draw_item(name, np.random.default_rng(seed))
        width, _, height = item.size
        measured = {
            'width': width, 'height': height, 'longest': item.size.max()
        }[kind.measure]  # fmt: skip
        assert kind.low <= measured <= kind.high
        low, high = block(item)
        np.testing.assert_allclose(low[2], 0, atol=1e-9)
        np.testing.assert_allclose((low + high)[:2], 0, atol=1e-9)
        assert 0 < item.top <= height + 1e-9
        assert item.colors.shape == item.faces.shape
        assert 0 <= item.colors.min() <= item.colors.max() <= 1
        tones.append(item.colors.mean(axis=0))
    assert np.std(tones, axis=0).max() > 0.005


def test_backs_are_at_the_wall() -> None:
    for seed in range(12):
        layout = Layout(SIZE, np.random.default_rng(seed))
        item = crate()
        assert layout.at_wall([item])
        placed = layout.items[0]
        low, high = block(placed)
        gaps = [low[1], SIZE[0] - high[0], SIZE[1] - high[1], low[0]]
        wall = int(np.argmin(gaps))
        assert gaps[wall] == pytest.approx(0.02)
        # The front of a thing is -y: vertex order survives the placing.
        middle = item.vertices[:, 1].mean()
        front = placed.vertices[item.vertices[:, 1] < middle].mean(axis=0)
        back = placed.vertices[item.vertices[:, 1] > middle].mean(axis=0)
        inward = [(0, 1), (-1, 0), (0, -1), (1, 0)][wall]
        np.testing.assert_allclose((front - back)[:2] / 0.5, inward, atol=1e-9)


def test_things_never_overlap(layout: Layout) -> None:
    for _ in range(12):
        layout.at_wall([crate()])
    for _ in range(8):
        layout.on_floor([crate(0.6, 0.5, 0.6)])
    blocks = [block(item) for item in layout.items]
    assert 5 < len(blocks) < 20
    for index, (low, high) in enumerate(blocks):
        assert (low > -1e-6).all()
        assert (high < SIZE + 1e-6).all()
        for other in blocks[:index]:
            assert not ((low < other[1]) & (other[0] < high)).all()
