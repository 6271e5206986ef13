"""Furnished rooms: what is in a bedroom, a bathroom, a kitchen, and where."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from .items import NYU40, Item, draw_item, plain_item
from .solids import box, rotation

_ROOM_TRIES = 20  # rooms drawn until one holds what makes its kind
_TRIES = 40  # places tried for a group
_GAP = 0.03  # room between two groups, metres
_WALL = 0.15  # thickness of a wall, metres
_SWING = 0.75  # what is kept free in front of a door, metres
_YAWS = (np.pi, -np.pi / 2, 0.0, np.pi / 2)  # fronts to the room, by wall


class FurnishedRoom(NamedTuple):
    """A furnished room, z up, metres; instance i has the number i + 1.

    Attributes:
        size: (3,) width, depth and height; it begins at the origin.
        corners: (F, 3, 3) corners of the faces, counter-clockwise seen from
            outside.
        colors: (F, 3) float in [0, 1].
        instances: (F,) int, number of the face's instance, from 1.
        labels: (I,) int, NYU40 number of each instance.
        blocks: (I, 2, 3) smallest and largest coordinates of each instance.
        yaws: (I,) turn of each instance about the z axis, radians.
    """

    size: np.ndarray
    corners: np.ndarray
    colors: np.ndarray
    instances: np.ndarray
    labels: np.ndarray
    blocks: np.ndarray
    yaws: np.ndarray


class Layout:
    """A rectangular room, from (0, 0, 0) to its size, being furnished.

    Groups of items are placed together. The origin of a group at a wall is
    on the wall's face, its front to -y. Walls are numbered 0 (y = 0),
    1 (x = width), 2 (y = depth), 3 (x = 0).

    Args:
        size: (3,) width, depth and height, metres.
        rng: Source of randomness.
    """

    def __init__(self, size: np.ndarray, rng: np.random.Generator) -> None:
        self.size = size
        self.rng = rng
        self.items: list[Item] = []
        self.blocks: list[np.ndarray] = []

    def at_wall(self, group: list[Item], *, free: float = 0.0) -> bool:
        """Place a group somewhere along a wall.

        Args:
            group: The items; the last ones are left out where there is no
                room for all.
            free: What is kept free before the wall, metres.

        Returns:
            Whether the first of them was placed.
        """

        def poses(low: np.ndarray, high: np.ndarray) -> Iterator[tuple]:
            for _ in range(_TRIES):
                wall = int(self.rng.integers(4))
                spare = self.size[wall % 2] - (high - low)[0] - 0.08
                if spare > 0:
                    start = 0.04 + self.rng.random() * spare - low[0]
                    yield self._wall_pose(wall, start)

        return self._place(group, poses, free)

    def on_floor(self, group: list[Item]) -> bool:
        """Place a group anywhere on the floor, often parallel to the walls."""

        def poses(low: np.ndarray, high: np.ndarray) -> Iterator[tuple]:
            for _ in range(_TRIES):
                spread = 3.0 if self.rng.random() < 1 / 3 else 0.05
                yaw = self.rng.integers(4) * np.pi / 2
                yaw += self.rng.normal(0, spread)
                place = self.rng.uniform(0.3, self.size[:2] - 0.3)
                yield yaw, np.append(place, 0.0)

        return self._place(group, poses, 0.0)

    def _wall_pose(self, wall: int, start: float) -> tuple[float, np.ndarray]:
        """Compute yaw and place of a local origin along a wall's face."""
        width, depth, _ = self.size
        x, y = ((width, 0), (width, depth), (0, depth), (0, 0))[wall]
        yaw = _YAWS[wall]
        along = rotation('z', yaw) @ [start, 0.0, 0.0]
        return yaw, along + np.array([x, y, 0.0])

    def _place(self, group: list[Item], poses: Callable, free: float) -> bool:
        """Place as many items of a group as there is room for."""
        for count in range(len(group), 0, -1):
            taken = np.concatenate([item.vertices for item in group[:count]])
            low, high = taken.min(axis=0), taken.max(axis=0)
            front = [low[0], min(low[1], -free), low[2]]
            taken = np.concatenate([taken, [front]])
            for yaw, place in poses(low, high):
                turned = taken @ rotation('z', yaw).T + place
                block = np.array([turned.min(axis=0), turned.max(axis=0)])
                if self._fits(block):
                    self.items += [i.placed(yaw, place) for i in group[:count]]
                    self.blocks.append(block)
                    return True
        return False

    def _fits(self, block: np.ndarray) -> bool:
        """Tell whether a box (2, 3) is in the room and meets no other."""
        low, high = block
        inside = (low[:2] > -1e-6).all() and (high < self.size + 1e-6).all()
        return bool(inside) and not any(
            (low < other[1] + _GAP).all() and (other[0] < high + _GAP).all()
            for other in self.blocks
        )

    def shell(self) -> list[Item]:
        """Make floor, ceiling and walls."""
        width, depth, height = self.size
        slab = box(width + 2 * _WALL, depth + 2 * _WALL, 0.1)
        slab = slab.at(width / 2, depth / 2, -0.05)
        shell = [
            plain_item('floor', slab, self.rng),
            plain_item('ceiling', slab.at(z=height + 0.1), self.rng),
        ]
        paint = plain_item('wall', slab, self.rng)
        for wall in range(4):
            length = self.size[wall % 2]
            panel = box(length + 2 * _WALL, _WALL, height)
            panel = panel.at(length / 2, _WALL / 2, height / 2)
            item = paint._replace(vertices=panel.vertices)
            shell.append(item.placed(*self._wall_pose(wall, 0.0)))
        return shell


# Groups of items. At a wall the wall's face is at y = 0, the room at y < 0.
def _backed(
    item: Item, x: float = 0.0, z: float = 0.0, gap: float = 0.03
) -> Item:
    """Put an item with its back to the wall."""
    return item.placed(0.0, (x, -item.size[1] / 2 - gap, z))


def _hung(layout: Layout, name: str, low: float, high: float) -> Item:
    """Draw an item at the wall, its underside at a height from low to high."""
    item = draw_item(name, layout.rng)
    room = layout.size[2] - item.size[2] - 0.1
    height = min(layout.rng.uniform(low, high), room)
    return _backed(item, z=height, gap=0.01)


def _topped(
    item: Item, names: tuple[str, ...], rng: np.random.Generator
) -> list[Item]:
    """Put up to two small things on an item at the origin."""
    group = [item]
    for side, name in zip((-1, 1), rng.permutation(names), strict=False):
        thing = draw_item(str(name), rng)
        free = item.size[:2] * [0.5, 1.0] - thing.size[:2] - 0.04
        if (free > 0).all() and rng.random() < 0.6:
            x, y = rng.uniform(-0.5, 0.5, 2) * free
            place = (x + side * item.size[0] / 4, y, item.top + 0.002)
            group.append(thing.placed(0.0, place))
    return group


def _window(layout: Layout) -> list[Item]:
    """Draw a window, mostly with curtains."""
    rng = layout.rng
    pane = _hung(layout, 'window', 0.8, 1.0)
    group = [pane]
    for side in (-1, 1) if rng.random() < 0.7 else ():
        cloth = draw_item('curtain', rng)
        x = side * (pane.size[0] + cloth.size[0] + 0.08) / 2
        drop = min(0.05, layout.size[2] - cloth.size[2] - 0.05)
        group.append(_backed(cloth, x, drop))
    return group


def _dining(layout: Layout) -> list[Item]:
    """Draw a table with chairs around it, in the middle of its group."""
    rng = layout.rng
    group = _topped(draw_item('table', rng), ('vase', 'bowl', 'laptop'), rng)
    half = group[0].size / 2
    for side in rng.permutation(4)[: rng.integers(2, 5)]:
        chair = draw_item('chair', rng)
        across, along = half[(side + 1) % 2], half[side % 2]
        away = across + chair.size[1] / 2 + rng.uniform(0.05, 0.2)
        place = (rng.uniform(-0.4, 0.4) * along, away, 0.0)
        seated = chair.placed(rng.normal(0, 0.25), place)
        group.append(seated.placed(side * np.pi / 2))
    return group


def _to_wall(group: list[Item]) -> list[Item]:
    """Move a group such that the back of its first item is at the wall."""
    back = -group[0].vertices[:, 1].max() - 0.03
    return [item.placed(0.0, (0, back, 0)) for item in group]


def _work(layout: Layout) -> list[Item]:
    """Draw a desk at the wall with a chair before it."""
    rng = layout.rng
    desk, chair = draw_item('desk', rng), draw_item('chair', rng)
    away = (desk.size[1] + chair.size[1]) / 2 + rng.uniform(0.0, 0.2)
    place = (rng.uniform(-0.2, 0.2) * desk.size[0], -away, 0.0)
    seat = chair.placed(np.pi + rng.normal(0, 0.3), place)
    things = _topped(desk, ('display', 'laptop', 'lamp'), rng)
    return _to_wall([*things, seat])


def _kitchen(layout: Layout) -> list[Item]:
    """Draw a counter with a sink on it."""
    rng = layout.rng
    counter, sink = draw_item('counter', rng), draw_item('sink', rng)
    free = (counter.size[0] - sink.size[0]) / 2
    place = (rng.uniform(-free, free), 0.0, counter.top + 0.002)
    return _to_wall([counter, sink.placed(0.0, place)])


def _bath(layout: Layout) -> list[Item]:
    """Draw a bathtub with its curtain at the free side."""
    rng = layout.rng
    tub, cloth = draw_item('bathtub', rng), draw_item('shower curtain', rng)
    slack = max(0.0, tub.size[0] - cloth.size[0]) / 2
    away = -tub.size[1] - cloth.size[1] / 2 - 0.06
    bottom = min(0.25, layout.size[2] - cloth.size[2] - 0.1)
    place = (rng.uniform(-slack, slack), away, bottom)
    return [_backed(tub), cloth.placed(0.0, place)]


_AT_WALL = {
    'bath': _bath,
    'desk': _work,
    'window': _window,
    'kitchen': _kitchen,
    'picture': lambda layout: [_hung(layout, 'picture', 1.2, 1.6)],
    'wallcabinet': lambda layout: [_hung(layout, 'cabinet', 1.4, 1.5)],
}


class Recipe(NamedTuple):
    """A kind of room.

    Attributes:
        low: Shortest wall, metres.
        high: Longest wall, metres.
        needs: NYU40 names of what must have found its place.
        groups: What is placed, in this order; 'name?' is there every second
            time.
    """

    low: float
    high: float
    needs: tuple[str, ...]
    groups: str


_ALWAYS = ('door', 'window', 'picture', 'otherfurniture')
RECIPES = {
    'studio': Recipe(
        4.2, 6.2, ('bed', 'sofa', 'desk', 'curtain', 'counter', 'sink'),
        'bed sofa kitchen refrigerator desk dining cabinet? bookshelf?',
    ),
    'bathroom': Recipe(
        2.3, 3.4, ('toilet', 'sink', 'bathtub', 'shower curtain'),
        'bath toilet washbasin washbasin? cabinet?',
    ),
    'kitchen': Recipe(
        3.0, 4.8, ('counter', 'sink', 'refrigerator', 'table'),
        'kitchen wallcabinet? wallcabinet? refrigerator dining cabinet?',
    ),
    'office': Recipe(
        3.4, 5.6, ('desk', 'bookshelf', 'chair'),
        'desk desk? desk? bookshelf bookshelf? cabinet? dining? sofa?',
    ),
    'bedroom': Recipe(
        3.2, 4.8, ('bed', 'cabinet'),
        'bed bed? cabinet cabinet? desk bookshelf?',
    ),
    'living room': Recipe(
        3.8, 6.0, ('sofa', 'table'),
        'sofa sofa? sofa? cabinet bookshelf bookshelf? dining dining?',
    ),
}  # fmt: skip


def draw_room(kind: str, rng: np.random.Generator) -> FurnishedRoom:
    """Draw a room; again where what makes its kind found no place."""
    recipe = RECIPES[kind]
    for _ in range(_ROOM_TRIES):
        sides = rng.uniform(recipe.low, recipe.high, 2)
        layout = Layout(np.array([*sides, rng.uniform(2.4, 2.8)]), rng)
        openings = 'door door? window window?'
        decoration = 'picture picture? picture? bin bin?'
        for word in f'{openings} {recipe.groups} {decoration}'.split():
            if not word.endswith('?') or rng.random() < 0.5:
                _furnish(layout, word.rstrip('?'))
        labels = {item.label for item in layout.items}
        if labels.issuperset(_ALWAYS + recipe.needs):
            break
    return _assemble(layout)


def _furnish(layout: Layout, name: str) -> None:
    """Draw a group and place it where there is room."""
    if name == 'dining':
        layout.on_floor(_dining(layout))
    elif name in _AT_WALL:
        layout.at_wall(_AT_WALL[name](layout))
    else:
        group = [_backed(draw_item(name, layout.rng))]
        layout.at_wall(group, free=_SWING if name == 'door' else 0.0)


def _assemble(layout: Layout) -> FurnishedRoom:
    """Join the meshes of a layout to one room."""
    items = layout.shell() + layout.items
    blocks = [(i.vertices.min(axis=0), i.vertices.max(axis=0)) for i in items]
    sizes = [len(item.faces) for item in items]
    yaws = np.array([item.yaw for item in items])
    return FurnishedRoom(
        layout.size,
        np.concatenate([item.vertices[item.faces] for item in items]),
        np.concatenate([item.colors for item in items]),
        np.repeat(np.arange(len(items)) + 1, sizes),
        np.array([NYU40[item.label] for item in items]),
        np.array(blocks),
        (yaws + np.pi) % (2 * np.pi) - np.pi,
    )
