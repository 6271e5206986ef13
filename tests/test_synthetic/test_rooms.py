from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.datasets.scannet import (
    DETECTION_IDS,
)
from mmdet3d_act.synthetic.items import (
    KINDS,
    Item,
    compose,
    draw_item,
    draw_kitchen_row,
)
from mmdet3d_act.synthetic.rooms import (
    RECIPES,
    FurnishedRoom,
    Layout,
    _dining,
    draw_room,
)
from mmdet3d_act.synthetic.solids import Solid, box, volume

SIZE = np.array([4.0, 3.0, 2.5])


@pytest.fixture
def layout() -> Layout:
    return Layout(SIZE, np.random.default_rng(0))


@pytest.fixture(scope='module')
def rooms() -> dict[str, FurnishedRoom]:
    return {
        kind: draw_room(kind, np.random.default_rng(seed))
        for seed, kind in enumerate(RECIPES)
    }


def crate(width: float = 1.0, height: float = 0.8, depth: float = 0.5) -> Item:
    """Make a box that stands before a wall at y = 0."""
    solid = box(width, height, depth).at(0, height / 2, depth / 2 + 0.02)
    rng = np.random.default_rng(0)
    return compose('cabinet', {'box': solid}, 'wood', rng)


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


def test_a_placed_thing_is_turned_to_the_left_and_moved() -> None:
    item = compose(
        'bed', {'box': box(2, 1, 0.5)}, 'wood', np.random.default_rng(0)
    )
    np.testing.assert_allclose(item.size, [2.0, 0.5, 1.0])
    placed = item.placed(np.pi / 2, (1.0, 2.0, 3.0))
    high = placed.vertices.max(axis=0)
    np.testing.assert_allclose(high, [1.25, 3.0, 3.5], atol=1e-9)
    assert placed.top == pytest.approx(3.5)
    assert placed.placed(0.3).yaw == pytest.approx(np.pi / 2 + 0.3)


def test_a_kitchen_row_fits_together() -> None:
    for seed in range(8):
        base, counter, sink = draw_kitchen_row(np.random.default_rng(seed))
        assert block(base)[1, 2] <= block(counter)[0, 2] + 1e-9
        assert block(counter)[1, 2] < 1.2
        # The sink is within the worktop, which has a hole there.
        (low, high), (sink_low, sink_high) = block(counter), block(sink)
        assert sink_low[2] > 0.6
        assert (sink_low[:2] > low[:2]).all()
        assert (sink_high[:2] < high[:2]).all()
        middle = (sink_low + sink_high)[:2] / 2
        corners = counter.vertices[counter.faces][..., :2]
        over = (corners.min(axis=1) < middle) & (middle < corners.max(axis=1))
        assert not over.all(axis=1).any()


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


def test_what_has_no_room_is_left_out(layout: Layout) -> None:
    assert not layout.at_wall([crate(width=4.2)])
    assert not layout.on_floor([crate(width=4.2, depth=4.2)])
    assert layout.items == []
    assert layout.at_wall([crate(), crate(width=4.2)])
    assert len(layout.items) == 1


def test_openings_make_holes_and_keep_the_floor_free(layout: Layout) -> None:
    def solid() -> float:
        walls = [item for item in layout.shell() if item.label == 'wall']
        return sum(volume(Solid(w.vertices, w.faces)) for w in walls)

    whole = solid()
    door = draw_item('door', np.random.default_rng(0))
    layout.open_wall([door.placed(0, (0, 0.09 - door.size[1] / 2, 0))], 0.75)
    free = np.ptp(layout.blocks[-1], axis=0)
    assert min(free[:2]) >= 0.75 - 1e-9
    hole = np.sort(layout.items[0].size)[1:]
    missing = (whole - solid()) / 0.15
    assert missing == pytest.approx(hole[0] * hole[1], rel=0.1)


def test_the_first_four_kinds_hold_every_class(rooms: dict) -> None:
    first = list(rooms.values())[:4]
    labels = np.concatenate([room.labels for room in first])
    assert set(DETECTION_IDS) <= set(labels.tolist())


def test_faces_belong_to_instances(rooms: dict) -> None:
    for room in rooms.values():
        number = len(room.labels)
        present = np.unique(room.instances)
        np.testing.assert_array_equal(present, np.arange(number) + 1)
        assert len(room.corners) == len(room.instances) == len(room.colors)
        for index in (0, number - 1):
            places = room.corners[room.instances == index + 1].reshape(-1, 3)
            found = [places.min(axis=0), places.max(axis=0)]
            np.testing.assert_allclose(found, room.blocks[index])


def test_chairs_face_their_table() -> None:
    for seed in range(5):
        layout = Layout(SIZE, np.random.default_rng(seed))
        table, *group = _dining(layout)
        chairs = [item for item in group if item.label == 'chair']
        assert table.label == 'table'
        assert len(chairs) >= 2
        for chair in chairs:
            toward = -block(chair).mean(axis=0)[:2]
            front = np.array([np.sin(chair.yaw), -np.cos(chair.yaw)])
            assert front @ toward > 0
            # They stand beside it: no chair is inside of the table.
            assert np.abs(toward / table.size[:2]).max() > 0.5
