"""Places things in a room: at walls, on the floor, on each other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .furniture import Item, draw_box, draw_item
from .mesh import joined
from .primitives import box

_TRIES = 40
_GAP = 0.03  # room between two things, metres
_WALL = 0.15  # thickness of a wall, metres
_RECESS = 0.09  # how far doors and windows are behind the wall's face
_LAP = 0.02  # how far the frames of openings reach into the wall, metres
_SWING = 0.75  # what is kept free in front of a door, metres
_YAWS = (np.pi, -np.pi / 2, 0.0, np.pi / 2)  # fronts to the room, by wall
_TONES = {
    'wall': ((222, 216, 203), (205, 212, 214), (232, 226, 215),
             (214, 206, 186), (196, 205, 190), (225, 225, 225)),
    'floor': ((150, 111, 76), (181, 144, 104), (120, 110, 100),
              (96, 76, 60), (165, 160, 152), (110, 100, 110)),
    'ceiling': ((240, 240, 238),),
}  # fmt: skip


class Block(NamedTuple):
    """An axis-parallel box that something takes up.

    Attributes:
        low: (3,) smallest coordinates, metres.
        high: (3,) largest coordinates, metres.
    """

    low: np.ndarray
    high: np.ndarray

    def meets(self, other: Block, gap: float = 0.0) -> bool:
        """Return whether two boxes are nearer than a gap.

        Args:
            other: The other box.
            gap: Metres.
        """
        return bool(
            (self.low < other.high + gap).all()
            and (other.low < self.high + gap).all()
        )


def block_of(item: Item) -> Block:
    """Return the box around a thing.

    Args:
        item: The thing.
    """
    return Block(item.vertices.min(axis=0), item.vertices.max(axis=0))


class Layout:
    """A rectangular room, from (0, 0, 0) to its size, being furnished.

    Walls are numbered 0 (y = 0), 1 (x = width), 2 (y = depth), 3 (x = 0).

    Args:
        size: Width, depth and height, metres.
        rng: Source of randomness.
    """

    def __init__(
        self, size: tuple[float, float, float], rng: np.random.Generator
    ) -> None:
        self.size = np.array(size)
        self.rng = rng
        self.items: list[Item] = []
        self.blocks: list[Block] = []
        self._openings: list[tuple[int, Block]] = []

    def add(self, item: Item, *, reserve: Block | None = None) -> Item:
        """Keep a placed thing and the space that it takes.

        Args:
            item: The thing, at its place.
            reserve: What it keeps free; None is its own box.
        """
        self.items.append(item)
        self.blocks.append(block_of(item) if reserve is None else reserve)
        return item

    def fits(self, block: Block, *, gap: float = _GAP) -> bool:
        """Return whether a box is inside the room and meets nothing.

        Args:
            block: The box.
            gap: Distance kept to other things, metres.
        """
        low, high = block.low[:2], block.high[:2]
        inside = (low > -0.3).all() and (high < self.size[:2] + 0.3).all()
        inside = inside and block.high[2] < self.size[2] - 0.01
        return bool(inside) and not any(
            block.meets(other, gap) for other in self.blocks
        )

    def contains(self, block: Block, margin: float = 0.01) -> bool:
        """Return whether a box is between the walls.

        Args:
            block: The box.
            margin: Distance kept to the walls, metres.
        """
        low, high = block.low[:2], block.high[:2]
        return bool(
            (low > margin).all() and (high < self.size[:2] - margin).all()
        )

    def wall_pose(
        self, wall: int, along: float, away: float, height: float = 0.0
    ) -> tuple[float, np.ndarray]:
        """Return yaw and place of a thing with its back to a wall.

        Args:
            wall: Number of the wall.
            along: Place along it from its right end, seen from the room, to
                the left, metres.
            away: Distance of the thing's origin from the wall, metres.
            height: Height of the thing's origin, metres.
        """
        width, depth, _ = self.size
        place = {
            0: (along, away),
            1: (width - away, along),
            2: (width - along, depth - away),
            3: (away, depth - along),
        }[wall]
        return _YAWS[wall], np.array([*place, height])

    def wall_length(self, wall: int) -> float:
        """Return the length of a wall.

        Args:
            wall: Number of the wall.
        """
        return float(self.size[wall % 2])

    def at_wall(
        self,
        item: Item,
        *,
        wall: int | None = None,
        height: float = 0.0,
        away: float | None = None,
    ) -> Item | None:
        """Place a thing somewhere along a wall; None if there is no room.

        Args:
            item: The thing, at the origin.
            wall: Number of the wall; None tries all.
            height: Height of its underside, metres.
            away: Distance of its back from the wall; None is a few
                centimetres.
        """
        reach = item.size[0] / 2 + 0.04
        for _ in range(_TRIES):
            chosen = int(self.rng.integers(4)) if wall is None else wall
            length = self.wall_length(chosen)
            if 2 * reach >= length:
                continue
            gap = self.rng.uniform(0.01, 0.06) if away is None else away
            along = self.rng.uniform(reach, length - reach)
            pose = self.wall_pose(
                chosen, along, item.size[1] / 2 + gap, height
            )
            placed = item.placed(*pose)
            if self.fits(block_of(placed)):
                return self.add(placed)
        return None

    def opening(self, item: Item, height: float) -> Item | None:
        """Put a door or a window into a wall, with its hole.

        Args:
            item: The thing, at the origin.
            height: Height of its underside: 0 is a door, which keeps the
                floor before it free.
        """
        reach = item.size[0] / 2 + 0.15
        for _ in range(_TRIES):
            wall = int(self.rng.integers(4))
            length = self.wall_length(wall)
            if 2 * reach >= length:
                continue
            along = self.rng.uniform(reach, length - reach)
            away = item.size[1] / 2 - _RECESS
            placed = item.placed(*self.wall_pose(wall, along, away, height))
            own = block_of(placed)
            front = item.size[1] - _RECESS
            if height == 0:
                front = max(front, _SWING)
            free = self._in_front(wall, own, front)
            if self.fits(free):
                self._openings.append((wall, own))
                return self.add(placed, reserve=free)
        return None

    def _in_front(self, wall: int, block: Block, reach: float) -> Block:
        """Return a box grown from a wall's face into the room."""
        low, high = block.low.copy(), block.high.copy()
        axis = (wall + 1) % 2
        if wall in (0, 3):
            low[axis], high[axis] = 0.0, reach
        else:
            low[axis], high[axis] = self.size[axis] - reach, self.size[axis]
        return Block(low, high)

    def on_floor(
        self,
        item: Item,
        *,
        near: np.ndarray | None = None,
        yaw: float | None = None,
    ) -> Item | None:
        """Place a thing away from the walls; None if there is no room.

        Args:
            item: The thing, at the origin.
            near: (2,) or (3,) a place that it shall be near to; None is
                anywhere.
            yaw: Its turn; None is random, often parallel to the walls.
        """
        for _ in range(_TRIES):
            turn = self._draw_yaw() if yaw is None else yaw
            if near is None:
                place = self.rng.uniform(0.6, self.size[:2] - 0.6)
            else:
                place = near[:2] + self.rng.normal(0, 0.5, 2)
            placed = item.placed(turn, np.array([*place, 0.0]))
            block = block_of(placed)
            if self.contains(block) and self.fits(block, gap=0.08):
                return self.add(placed)
        return None

    def _draw_yaw(self) -> float:
        """Return a random turn, in two of three cases nearly straight."""
        if self.rng.random() < 1 / 3:
            return float(self.rng.uniform(0, 2 * np.pi))
        return float(
            self.rng.integers(4) * np.pi / 2 + self.rng.normal(0, 0.05)
        )

    def on_top(self, item: Item, carrier: Item) -> Item | None:
        """Place a thing on another one; None if there is no room.

        Args:
            item: The thing, at the origin.
            carrier: What carries it, at its place.
        """
        below = block_of(carrier)
        reach = np.linalg.norm(item.size[:2]) / 2
        free = below.high[:2] - below.low[:2] - 2 * reach
        if (free <= 0).any():
            return None
        for _ in range(_TRIES):
            place = below.low[:2] + reach + self.rng.random(2) * free
            pose = np.array([*place, carrier.top + 0.002])
            placed = item.placed(self.rng.uniform(0, 2 * np.pi), pose)
            block = block_of(placed)
            others = [
                self.blocks[index]
                for index, other in enumerate(self.items)
                if other is not carrier
            ]
            if not any(block.meets(other, 0.01) for other in others):
                return self.add(placed)
        return None

    def around(self, item: Item, name: str, count: int) -> None:
        """Put things around another one, their fronts to it.

        Args:
            item: What is in the middle, at its place.
            name: Kind of the things.
            count: How many at most.
        """
        block = block_of(item)
        middle = (block.low + block.high) / 2
        half = (block.high - block.low) / 2
        sides = self.rng.permutation(4)[:count]
        for side in sides:
            thing = draw_item(name, self.rng)
            axis = (int(side) + 1) % 2
            sign = -1.0 if side in (0, 3) else 1.0
            # Its back is outside: as if the middle were the room.
            away = half[axis] + thing.size[1] / 2 + self.rng.uniform(0.05, 0.2)
            place = np.array([middle[0], middle[1], 0.0])
            place[axis] += sign * away
            place[1 - axis] += self.rng.uniform(-0.4, 0.4) * half[1 - axis]
            yaw = _YAWS[int(side)] + self.rng.normal(0, 0.25)
            placed = thing.placed(yaw, place)
            own = block_of(placed)
            if self.contains(own) and self.fits(own, gap=0.01):
                self.add(placed)

    def shell(self) -> list[Item]:
        """Return floor, ceiling and the walls with their openings."""
        width, depth, height = self.size
        wide, deep = width + 2 * _WALL, depth + 2 * _WALL
        middle = np.array([width / 2, depth / 2, 0.0])
        slab = draw_box('floor', (wide, 0.1, deep), 'wood', self.rng)
        floor = self._painted(slab, 'floor').placed(
            0.0, middle - np.array([0, 0, 0.1])
        )
        cover = self._painted(slab._replace(label='ceiling'), 'ceiling')
        above = middle + np.array([0, 0, height])
        ceiling = cover.placed(0.0, above)
        plain = draw_box('wall', (1.0, 1.0, 1.0), 'white', self.rng)
        paint = self._painted(plain, 'wall').colors[0]
        walls = [self._wall(number, paint) for number in range(4)]
        return [floor, ceiling, *walls]

    def _painted(self, item: Item, name: str) -> Item:
        """Return a thing in one of a surface's colours."""
        tones = _TONES[name]
        tone = np.array(tones[int(self.rng.integers(len(tones)))]) / 255
        tone = np.clip(tone * self.rng.normal(1, 0.04), 0, 1)
        return item._replace(colors=np.tile(tone, (len(item.faces), 1)))

    def _wall(self, wall: int, paint: np.ndarray) -> Item:
        """Return a wall as panels around its openings."""
        axis = wall % 2
        length, height = self.size[axis], self.size[2]
        holes = sorted(
            (
                float(block.low[axis]) + _LAP,
                float(block.high[axis]) - _LAP,
                max(float(block.low[2]) + _LAP, 0.0),
                float(block.high[2]) - _LAP,
            )
            for number, block in self._openings
            if number == wall
        )
        pieces, at = [], -_WALL
        for start, end, low, high in holes:
            pieces.append((at, start, 0.0, height))
            pieces.append((start, end, 0.0, low))
            pieces.append((start, end, high, height))
            at = end
        pieces.append((at, length + _WALL, 0.0, height))
        meshes = []
        for start, end, low, high in pieces:
            if end - start < 1e-6 or high - low < 1e-6:
                continue
            extent = np.array([end - start, _WALL, high - low])
            place = np.array([(start + end) / 2, 0.0, low])
            across = -_WALL / 2
            if wall in (1, 2):
                across = self.size[1 - axis] + _WALL / 2
            center = np.array([place[0], across, low + extent[2] / 2])
            if axis == 1:
                center[[0, 1]] = center[[1, 0]]
                extent[[0, 1]] = extent[[1, 0]]
            panel = box(*extent)
            meshes.append(panel.moved(*center))
        whole = joined(meshes)
        colors = np.tile(paint, (len(whole.faces), 1))
        return Item('wall', whole.vertices, whole.faces, colors, height)
