"""Furnished rooms: what is in a bedroom, a bathroom, a kitchen."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .furniture import NYU40, Item, draw_item, draw_kitchen_row
from .layout import Layout, block_of
from .mesh import Mesh, joined

_TRIES = 20  # rooms drawn until one holds what its recipe needs
_ALWAYS = ('door', 'window', 'picture', 'otherfurniture')


class FurnishedRoom(NamedTuple):
    """A furnished room, z up, metres; instance i has the number i + 1.

    Attributes:
        kind: Name of its recipe.
        size: (3,) width, depth and height; it begins at the origin.
        vertices: (V, 3) float.
        faces: (F, 3) int, counter-clockwise seen from outside.
        colors: (F, 3) float in [0, 1].
        instances: (F,) int, number of the face's instance, from 1.
        labels: (I,) int, NYU40 number of each instance.
        blocks: (I, 2, 3) smallest and largest coordinates of each instance.
    """

    kind: str
    size: np.ndarray
    vertices: np.ndarray
    faces: np.ndarray
    colors: np.ndarray
    instances: np.ndarray
    labels: np.ndarray
    blocks: np.ndarray


def room_kinds() -> list[str]:
    """Return the names of the recipes, in the order in which they follow."""
    return list(_RECIPES)


def draw_room(kind: str, rng: np.random.Generator) -> FurnishedRoom:
    """Return a room, drawn at random.

    It is drawn again where something that makes the kind found no place.

    Args:
        kind: One of :func:`room_kinds`.
        rng: Source of randomness.

    Raises:
        ValueError: If there is no such recipe.
    """
    if kind not in _RECIPES:
        raise ValueError(
            f'kind must be one of {", ".join(_RECIPES)}, got {kind!r}; '
            'correct the name'
        )
    recipe = _RECIPES[kind]
    for _ in range(_TRIES):
        sides = rng.uniform(recipe.low, recipe.high, 2)
        layout = Layout((*sides, rng.uniform(2.4, 2.8)), rng)
        _openings(layout)
        recipe.furnish(layout)
        _decorate(layout)
        labels = {item.label for item in layout.items}
        if labels.issuperset(_ALWAYS + recipe.needs):
            break
    return _assembled(kind, layout)


def _assembled(kind: str, layout: Layout) -> FurnishedRoom:
    """Return the meshes of a layout as one room."""
    items = layout.shell() + layout.items
    whole = joined([Mesh(item.vertices, item.faces) for item in items])
    counts = [len(item.faces) for item in items]
    blocks = [block_of(item) for item in items]
    return FurnishedRoom(
        kind,
        layout.size,
        whole.vertices,
        whole.faces,
        np.concatenate([item.colors for item in items]),
        np.repeat(np.arange(len(items)) + 1, counts),
        np.array([NYU40[item.label] for item in items]),
        np.array([[block.low, block.high] for block in blocks]),
    )


def _some(layout: Layout, low: int, high: int) -> range:
    """Return a range of a random length."""
    return range(int(layout.rng.integers(low, high + 1)))


def _chance(layout: Layout, probability: float) -> bool:
    """Return True with the given probability."""
    return bool(layout.rng.random() < probability)


def _draw(layout: Layout, name: str) -> Item:
    """Return a thing of a kind."""
    return draw_item(name, layout.rng)


def _openings(layout: Layout) -> None:
    """Put one or two doors and windows into the walls."""
    for _ in _some(layout, 1, 2):
        layout.opening(_draw(layout, 'door'), 0.0)
    for _ in _some(layout, 1, 2):
        pane = _draw(layout, 'window')
        room_above = layout.size[2] - pane.size[2] - 0.1
        height = min(layout.rng.uniform(0.8, 1.0), room_above)
        window = layout.opening(pane, height)
        if window is not None and _chance(layout, 0.7):
            _hang_curtains(layout, window)


def _hang_curtains(layout: Layout, window: Item) -> None:
    """Hang curtains beside a window."""
    block = block_of(window)
    middle = (block.low + block.high) / 2
    walls = [middle[1], layout.size[0] - middle[0],
             layout.size[1] - middle[1], middle[0]]  # fmt: skip
    wall = int(np.argmin(walls))
    axis = wall % 2
    along = middle[axis]
    if wall in (2, 3):
        along = layout.wall_length(wall) - along
    half = (block.high - block.low)[axis] / 2
    for sign in (-1, 1):
        cloth = _draw(layout, 'curtain')
        beside = along + sign * (half + cloth.size[0] / 2 + 0.04)
        drop = min(0.05, layout.size[2] - cloth.size[2] - 0.05)
        away = cloth.size[1] / 2 + 0.02
        hung = cloth.placed(*layout.wall_pose(wall, beside, away, drop))
        own = block_of(hung)
        if layout.contains(own) and layout.fits(own):
            layout.add(hung)


def _decorate(layout: Layout) -> None:
    """Hang pictures, put bins and lamps where there is room."""
    for _ in _some(layout, 1, 3):
        picture = _draw(layout, 'picture')
        room_above = layout.size[2] - picture.size[2] - 0.1
        height = min(layout.rng.uniform(1.2, 1.6), room_above)
        layout.at_wall(picture, height=height, away=0.005)
    for _ in _some(layout, 1, 2):
        layout.at_wall(_draw(layout, 'bin'))


def _top_things(layout: Layout, carrier: Item, *names: str) -> None:
    """Put small things on top of another one."""
    for name in names:
        if _chance(layout, 0.6):
            layout.on_top(_draw(layout, name), carrier)


def _work_place(layout: Layout) -> None:
    """Put a desk to a wall, a chair before it and things on it."""
    desk = layout.at_wall(_draw(layout, 'desk'))
    if desk is None:
        return
    _top_things(layout, desk, 'display', 'laptop', 'lamp')
    block = block_of(desk)
    layout.on_floor(_draw(layout, 'chair'), near=(block.low + block.high) / 2)


def _dining(layout: Layout) -> None:
    """Put a table with chairs around it."""
    table = layout.on_floor(_draw(layout, 'table'))
    if table is None:
        table = layout.at_wall(_draw(layout, 'table'))
    if table is not None:
        _top_things(layout, table, 'vase', 'bowl', 'laptop')
        layout.around(table, 'chair', int(layout.rng.integers(2, 5)))


def _kitchen_row(layout: Layout) -> None:
    """Put a worktop with its cabinets and its sink to a wall."""
    row = draw_kitchen_row(layout.rng)
    whole = row.counter._replace(
        vertices=np.concatenate([row.base.vertices, row.counter.vertices])
    )
    for _ in range(60):
        wall = int(layout.rng.integers(4))
        spare = layout.wall_length(wall) - row.length - 0.1
        if spare <= 0:
            continue
        along = row.length / 2 + 0.05 + layout.rng.random() * spare
        pose = layout.wall_pose(wall, along, row.depth / 2 + 0.06)
        block = block_of(whole.placed(*pose))
        if not layout.fits(block):
            continue
        for part in (row.base, row.counter, row.sink):
            layout.add(part.placed(*pose), reserve=block)
        for _ in _some(layout, 0, 2):
            board = _draw(layout, 'cabinet')
            if board.size[2] < layout.size[2] - 1.5:
                layout.at_wall(board, wall=wall, height=1.45, away=0.01)
        return


def _bathe(layout: Layout) -> None:
    """Put a bathtub to a wall and hang its curtain at its free side."""
    tub = _draw(layout, 'bathtub')
    for _ in range(60):
        wall = int(layout.rng.integers(4))
        spare = layout.wall_length(wall) - tub.size[0] - 0.06
        if spare <= 0:
            continue
        along = tub.size[0] / 2 + 0.03 + layout.rng.random() * spare
        away = tub.size[1] / 2 + 0.02
        placed = tub.placed(*layout.wall_pose(wall, along, away))
        if layout.fits(block_of(placed)):
            break
    else:
        return
    layout.add(placed)
    if not _chance(layout, 0.85):
        return
    cloth = _draw(layout, 'shower curtain')
    slack = max(0.0, (tub.size[0] - cloth.size[0]) / 2)
    beside = along + layout.rng.uniform(-slack, slack)
    away = tub.size[1] + cloth.size[1] / 2 + 0.06
    bottom = min(0.25, layout.size[2] - cloth.size[2] - 0.1)
    hung = cloth.placed(*layout.wall_pose(wall, beside, away, bottom))
    own = block_of(hung)
    if layout.contains(own) and layout.fits(own, gap=0.01):
        layout.add(hung)


def _bedroom(layout: Layout) -> None:
    for _ in _some(layout, 1, 2):
        layout.at_wall(_draw(layout, 'bed'))
    for _ in _some(layout, 1, 2):
        layout.at_wall(_draw(layout, 'cabinet'))
    _work_place(layout)
    if _chance(layout, 0.5):
        layout.at_wall(_draw(layout, 'bookshelf'))


def _living_room(layout: Layout) -> None:
    for _ in _some(layout, 1, 3):
        layout.at_wall(_draw(layout, 'sofa'))
    low = layout.at_wall(_draw(layout, 'cabinet'))
    if low is not None:
        _top_things(layout, low, 'display', 'vase')
    for _ in _some(layout, 1, 2):
        layout.at_wall(_draw(layout, 'bookshelf'))
    _dining(layout)
    coffee = layout.on_floor(_draw(layout, 'table'))
    if coffee is not None:
        _top_things(layout, coffee, 'bowl', 'vase')


def _kitchen(layout: Layout) -> None:
    _kitchen_row(layout)
    layout.at_wall(_draw(layout, 'refrigerator'))
    _dining(layout)
    for _ in _some(layout, 0, 2):
        layout.at_wall(_draw(layout, 'cabinet'))


def _bathroom(layout: Layout) -> None:
    _bathe(layout)
    layout.at_wall(_draw(layout, 'toilet'))
    for _ in _some(layout, 1, 2):
        layout.at_wall(_draw(layout, 'washbasin'))
    if _chance(layout, 0.6):
        layout.at_wall(_draw(layout, 'cabinet'))


def _office(layout: Layout) -> None:
    for _ in _some(layout, 1, 3):
        _work_place(layout)
    for _ in _some(layout, 1, 3):
        layout.at_wall(_draw(layout, 'bookshelf'))
    if _chance(layout, 0.6):
        layout.at_wall(_draw(layout, 'cabinet'))
    if _chance(layout, 0.6):
        _dining(layout)
    if _chance(layout, 0.3):
        layout.at_wall(_draw(layout, 'sofa'))


def _studio(layout: Layout) -> None:
    layout.at_wall(_draw(layout, 'bed'))
    layout.at_wall(_draw(layout, 'sofa'))
    _kitchen_row(layout)
    layout.at_wall(_draw(layout, 'refrigerator'))
    _work_place(layout)
    _dining(layout)
    for name in ('cabinet', 'bookshelf'):
        if _chance(layout, 0.7):
            layout.at_wall(_draw(layout, name))


class Recipe(NamedTuple):
    """A kind of room.

    Attributes:
        low: Shortest wall, metres.
        high: Longest wall, metres.
        needs: NYU40 names of what must have found its place.
        furnish: Puts things into a room.
    """

    low: float
    high: float
    needs: tuple[str, ...]
    furnish: Callable[[Layout], None]


_RECIPES = {
    'studio': Recipe(
        4.2, 6.2, ('bed', 'sofa', 'desk', 'curtain', 'counter'), _studio
    ),
    'bathroom': Recipe(
        2.3, 3.4, ('toilet', 'sink', 'bathtub', 'shower curtain'), _bathroom
    ),
    'kitchen': Recipe(
        3.0, 4.8, ('counter', 'sink', 'refrigerator', 'table'), _kitchen
    ),
    'office': Recipe(3.4, 5.6, ('desk', 'bookshelf', 'chair'), _office),
    'bedroom': Recipe(3.2, 4.8, ('bed', 'cabinet'), _bedroom),
    'living room': Recipe(3.8, 6.0, ('sofa', 'table'), _living_room),
}
