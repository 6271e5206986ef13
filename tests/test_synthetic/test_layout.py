from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.synthetic.furniture import Item, draw_box, draw_item
from mmdet3d_act.synthetic.layout import Block, Layout, block_of
from mmdet3d_act.synthetic.mesh import Mesh, volume

SIZE = (4.0, 3.0, 2.5)


@pytest.fixture
def layout() -> Layout:
    return Layout(SIZE, np.random.default_rng(0))


def crate(width: float = 1.0, height: float = 0.8, depth: float = 0.5) -> Item:
    """Return a box."""
    return draw_box(
        'cabinet', (width, height, depth), 'wood', np.random.default_rng(0)
    )


def test_boxes_that_touch_do_not_meet_but_are_near() -> None:
    first = Block(np.zeros(3), np.ones(3))
    second = Block(np.array([1.0, 0, 0]), np.array([2.0, 1, 1]))
    assert not first.meets(second)
    assert first.meets(second, 0.01)
    above = np.array([0.0, 0.0, 2.0])
    assert not first.meets(Block(above, above + 1), 0.01)


@pytest.mark.parametrize('wall', range(4))
def test_backs_are_at_the_wall(layout: Layout, wall: int) -> None:
    item = crate()
    placed = layout.at_wall(item, wall=wall, away=0.02)
    block = block_of(placed)
    distance = {
        0: block.low[1],
        1: SIZE[0] - block.high[0],
        2: SIZE[1] - block.high[1],
        3: block.low[0],
    }[wall]
    assert distance == pytest.approx(0.02)
    # The front of a thing is -y: vertex order survives the placing.
    front = placed.vertices[item.vertices[:, 1] < 0].mean(axis=0)
    back = placed.vertices[item.vertices[:, 1] > 0].mean(axis=0)
    inward = {0: (0, 1), 1: (-1, 0), 2: (0, -1), 3: (1, 0)}[wall]
    np.testing.assert_allclose((front - back)[:2] / 0.5, inward, atol=1e-9)
    assert block.low[2] == pytest.approx(0)


def test_things_never_overlap(layout: Layout) -> None:
    placed = [layout.at_wall(crate()) for _ in range(12)]
    placed += [layout.on_floor(crate(0.6, 0.5, 0.6)) for _ in range(8)]
    blocks = [block_of(item) for item in placed if item is not None]
    assert 5 < len(blocks) < 20
    for index, block in enumerate(blocks):
        assert (block.low > -1e-9).all()
        assert (block.high < np.array(SIZE) + 1e-9).all()
        assert not any(block.meets(other) for other in blocks[:index])


def test_what_is_too_large_is_left_out(layout: Layout) -> None:
    assert layout.at_wall(crate(width=4.2)) is None
    assert layout.on_floor(crate(width=4.2, depth=4.2)) is None
    assert layout.items == []


def test_things_stand_on_others(layout: Layout) -> None:
    table = layout.on_floor(draw_item('table', np.random.default_rng(1)))
    vase = layout.on_top(draw_item('vase', np.random.default_rng(1)), table)
    assert block_of(vase).low[2] == pytest.approx(table.top, abs=0.003)
    assert (block_of(vase).low >= block_of(table).low - 1e-9)[:2].all()
    assert (block_of(vase).high <= block_of(table).high + 1e-9)[:2].all()
    bed = draw_item('bed', np.random.default_rng(0))
    assert layout.on_top(bed, table) is None


def test_chairs_around_a_table_face_it() -> None:
    layout = Layout((8.0, 8.0, 2.5), np.random.default_rng(3))
    table = crate(1.0, 0.7, 1.0).placed(0.0, np.array([4.0, 4.0, 0.0]))
    layout.add(table)
    layout.around(table, 'chair', 4)
    chairs = layout.items[1:]
    assert len(chairs) >= 3
    for chair in chairs:
        middle = chair.vertices.mean(axis=0)
        # The back is high and behind: away from the table.
        high = chair.vertices[:, 2] > 0.85 * chair.vertices[:, 2].max()
        toward = np.array([4.0, 4.0]) - middle[:2]
        behind = chair.vertices[high].mean(axis=0)[:2] - middle[:2]
        assert toward @ behind < 0


def test_openings_make_holes_and_keep_the_floor_free(layout: Layout) -> None:
    door = draw_item('door', np.random.default_rng(0))
    placed = layout.opening(door, 0.0)
    free = layout.blocks[-1]
    assert min(np.ptp([free.low, free.high], axis=0)[:2]) >= 0.75 - 1e-9
    walls = [item for item in layout.shell() if item.label == 'wall']
    solid = sum(volume(Mesh(wall.vertices, wall.faces)) for wall in walls)
    closed = Layout(SIZE, np.random.default_rng(0)).shell()
    whole = sum(
        volume(Mesh(wall.vertices, wall.faces))
        for wall in closed
        if wall.label == 'wall'
    )
    hole = np.sort(block_of(placed).high - block_of(placed).low)[1:]
    missing = (whole - solid) / 0.15
    assert missing == pytest.approx(hole[0] * hole[1], rel=0.1)


def test_the_shell_surrounds_the_room(layout: Layout) -> None:
    shell = layout.shell()
    assert [item.label for item in shell] == [
        'floor', 'ceiling', 'wall', 'wall', 'wall', 'wall'
    ]  # fmt: skip
    room = Block(np.full(3, 1e-9), np.array(SIZE) - 1e-9)
    for item in shell:
        assert not block_of(item).meets(room)
        assert block_of(item).meets(room, 1e-6)


def test_nothing_reaches_through_a_wall_or_the_ceiling(
    layout: Layout,
) -> None:
    inside = Block(np.full(3, 0.1), np.full(3, 1.0))
    assert layout.contains(inside)
    assert layout.fits(inside)
    beside = Block(np.array([-0.05, 0.1, 0.1]), np.ones(3))
    assert not layout.contains(beside)
    assert not layout.fits(Block(inside.low, np.array([1, 1, SIZE[2]])))
    assert layout.at_wall(crate(), height=2.0) is None
