"""Furniture: what one sits on, works at, puts things into."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from .category import Draw, category
from .solids import (
    Solid,
    around,
    ball,
    box,
    cushion,
    cylinder,
    four,
    frame,
    join,
    pair,
    plate,
    ring,
    rod,
    row,
    tube,
)


# What furniture stands on, between y = 0 and the height. Chairs, stools,
# benches, tables and desks share them, so that legs give no category away.
def _legs(draw: Draw, width: float, depth: float, height: float) -> Solid:
    thick = draw(0.018, 0.045)
    splay = draw(0.0, 0.09) if draw.chance(0.4) else 0.0
    x, z = (side / 2 - thick - draw(0.0, 0.06) for side in (width, depth))
    foot, top = (x + splay, 0, z + splay), (x, height, z)
    legs = four(rod(foot, top, thick, sides=draw.pick(4, 9)))
    if draw.chance(0.7):
        return legs
    y = draw(0.2, 0.7) * height
    return join(legs, pair(rod((-x, y, z), (x, y, z), 0.55 * thick), 'z'))


def _pedestal(draw: Draw, width: float, depth: float, height: float) -> Solid:
    reach = 0.5 * min(width, depth, 1.0) * draw(0.6, 0.95)
    radius = draw(0.02, 0.06)
    column = cylinder(radius, height).at(y=height / 2)
    if draw.chance(0.5):
        return join(column, cylinder(reach, 0.03, 0.6 * reach).at(y=0.015))
    rise = draw(0.03, 0.15) * height + 0.04
    toe = rod((reach, 0.02, 0), (0, rise, 0), 0.7 * radius)
    return join(column, around(toe, draw.count(3, 5)))


def _slabs(draw: Draw, width: float, depth: float, height: float) -> Solid:
    thick = draw(0.02, 0.05)
    x = width / 2 - thick / 2 - draw(0.0, 0.15) * width
    panel = box(thick, height, depth * draw(0.6, 1.0)).at(x=x, y=height / 2)
    board = box(2 * x, height * draw(0.15, 0.6), 0.7 * thick)
    return join(pair(panel), board.at(y=0.5 * height))


def _sled(draw: Draw, width: float, depth: float, height: float) -> Solid:
    radius, slant = draw(0.012, 0.025), draw(-0.06, 0.06)
    z = depth / 2 - 0.02
    half = [(height, z), (0.05, z + slant), (radius, z + slant - 0.05)]
    path = [(0, y, z) for y, z in half]
    path += [(0, y, -z) for y, z in half[::-1]]
    return pair(tube(path, radius).at(x=width / 2 - draw(0.02, 0.08)))


def _board(
    draw: Draw, width: float, depth: float, thick: float, styles: str
) -> tuple[Solid, float]:
    """Draw a plate, and the share of its extents that a support may take."""
    style = draw.pick(*styles.split())
    if style == 'box':
        return box(width, thick, depth, [draw(0.9, 1.0)] * 2), 1.0
    if style == 'soft':
        return cushion(width, thick, depth, draw(3, 8)), 0.93
    return plate(ring(width, depth, sides=28), thick), 0.78


def _back(draw: Draw, width: float, height: float) -> Solid:
    """Draw a backrest in the plane z = 0, from y = 0 up."""
    thick = draw(0.02, 0.05)
    if draw.chance(0.4):
        panel = cushion(width, thick, height, draw(3, 9))
        return panel.turned('x', np.pi / 2).at(y=height / 2)
    outline = frame(width, height, 1.2 * thick, thick)
    if draw.chance(0.5):
        rail = box(width, 1.6 * thick, 0.8 * thick)
        levels = np.linspace(0, height, draw.count(3, 5))[1:-1]
        return join(outline, *(rail.at(y=y) for y in levels))
    bar = rod((0, 0, 0), (0, height, 0), 0.35 * thick)
    return join(outline, row(bar, draw.count(3, 7), width))


def _arms(draw: Draw, width: float, depth: float) -> Solid:
    """Draw two armrests over a seat at y = 0."""
    height, thick = draw(0.14, 0.26), draw(0.02, 0.04)
    bar = box(1.6 * thick, thick, 0.9 * depth).at(y=height)
    post = box(thick, height, thick).at(y=height / 2, z=0.36 * depth)
    return pair(join(bar, post).at(x=(width + thick) / 2))


def _seat(
    draw: Draw,
    size: tuple[float, float],
    level: float,
    thick: float,
    *,
    tops: str = 'box soft oval',
    high: float,
    supports: tuple[Callable, ...],
    arms: float,
) -> None:
    """Draw a seat with a back, if it is high, armrests and a support."""
    (width, depth), top = size, level + thick / 2
    seat, share = _board(draw, width, depth, thick, tops)
    draw.add('seat', seat.at(y=level))
    if high > 0:
        back = _back(draw, draw(0.75, 1.0) * width, high)
        back = back.turned('x', -draw(0.0, 0.28))
        draw.add('back', back.at(y=top, z=-0.46 * depth))
    below = share * width, share * depth, level - thick / 2
    draw.add('support', draw.pick(*supports)(draw, *below))
    if draw.chance(arms):
        draw.add('armrest', _arms(draw, width, depth).at(y=top))


@category('chair', '03001627', 'seat back support armrest')
def _chair(draw: Draw) -> None:
    size, level = (draw(0.4, 0.6), draw(0.4, 0.56)), draw(0.36, 0.54)
    high, supports = draw(0.3, 0.62), (_legs, _legs, _pedestal, _slabs, _sled)
    thick = draw(0.025, 0.1)
    _seat(draw, size, level, thick, high=high, supports=supports, arms=0.4)


@category('stool', '99000001', 'seat support footrest back')
def _stool(draw: Draw) -> None:
    width, level, thick = draw(0.3, 0.46), draw(0.36, 0.8), draw(0.03, 0.12)
    _seat(
        draw, (width, width * draw(0.75, 1.0)), level, thick,
        tops='oval oval soft box',
        high=draw(0.1, 0.2) if draw.chance(0.2) else 0.0,
        supports=(_legs, _legs, _pedestal, _sled), arms=0.0,
    )  # fmt: skip
    if level > 0.5 and draw.chance(0.6):
        hoop = frame(0.8 * width, 0.8 * width, 0.025, 0.025)
        hoop = hoop.at(y=-0.4 * width).turned('x', np.pi / 2)
        draw.add('footrest', hoop.at(y=draw(0.2, 0.35)))


@category('bench', '02828884', 'seat back support armrest')
def _bench(draw: Draw) -> None:
    size = draw(0.85, 1.7), draw(0.32, 0.48)
    _seat(
        draw, size, draw(0.36, 0.5), draw(0.03, 0.08),
        tops='box soft',
        high=draw(0.25, 0.45) if draw.chance(0.5) else 0.0,
        supports=(_legs, _legs, _slabs, _sled), arms=0.3,
    )  # fmt: skip


@category('sofa', '04256520', 'seat back armrest support')
def _sofa(draw: Draw) -> None:
    width, depth = draw(0.7, 2.1), draw(0.65, 0.95)
    feet, base, soft = draw(0.02, 0.16), draw(0.16, 0.28), draw(0.1, 0.18)
    block = cushion(width, base, depth, power=10)
    draw.add('seat', block.at(y=feet + base / 2))
    count, edge = max(1, round(width / draw(0.55, 0.9))), draw(0.25, 0.45)
    wide, level = 0.97 * width / count, feet + base + soft / 2
    pad = cushion(wide, soft, 0.75 * depth, edge=edge)
    draw.add('seat', row(pad, count, width).at(y=level, z=0.1 * depth))
    height, thick = draw(0.3, 0.5), draw(0.14, 0.24)
    pad = cushion(wide, height, thick, edge=edge).at(y=height / 2, z=thick / 2)
    back = row(pad, count, width).turned('x', -draw(0.0, 0.2))
    draw.add('back', back.at(y=level, z=-depth / 2))
    if draw.chance(0.85):
        arm, tall = draw(0.1, 0.22), base + draw(0.15, 0.35)
        side = cushion(arm, tall, depth, 10, draw.pick(0.05, 0.4))
        side = side.at(x=(width + arm) / 2, y=feet + tall / 2)
        draw.add('armrest', side if draw.chance(0.15) else pair(side))
    foot = cylinder(0.03, feet, 0.04).at(0.45 * width, feet / 2, 0.42 * depth)
    draw.add('support', four(foot))


@category(
    'bed', '02818832', 'frame mattress headboard footboard pillow support'
)
def _bed(draw: Draw) -> None:
    width, length = draw(0.85, 1.8), draw(1.85, 2.15)
    level, rail, soft = draw(0.12, 0.4), draw(0.06, 0.18), draw(0.14, 0.26)
    top = level + rail
    pad = cushion(0.96 * width, soft, 0.97 * length, edge=0.3)
    pillow = cushion(min(0.8, 0.45 * width), 0.12, 0.38, edge=0.4)
    pillows = row(pillow, 1 if width < 1.2 else 2, 0.9 * width)
    bunk = draw(0.85, 1.05) if width < 1.1 and draw.chance(0.35) else 0.0
    for y in {0.0, bunk}:
        frame = box(width, rail, length)
        draw.add('frame', frame.at(y=y + level + rail / 2))
        draw.add('mattress', pad.at(y=y + top + soft / 2))
        draw.add('pillow', pillows.at(y=y + top + soft, z=-0.38 * length))
    board = _back(draw, width, draw(0.35, 0.8) + rail)
    draw.add('headboard', board.at(y=bunk + level, z=-length / 2))
    if draw.chance(0.5):
        board = board.scaled(1.0, 0.6, 1.0)
        draw.add('footboard', board.at(y=bunk + level, z=length / 2))
    thick, tall = draw(0.03, 0.06), bunk + level
    leg = box(thick, tall, thick)
    leg = leg.at(width / 2 - 0.02, tall / 2, length / 2 - 0.02)
    draw.add('support', four(leg))


@category('table', '04379243', 'top support shelf')
def _table(draw: Draw) -> None:
    width, level, thick = draw(0.55, 1.7), draw(0.36, 0.8), draw(0.02, 0.08)
    depth = width * draw(0.45, 1.0)
    top, share = _board(draw, width, depth, thick, 'box soft oval')
    draw.add('top', top.at(y=level))
    share *= draw.pick(0.8, 0.97)
    size = share * width, share * depth, level - thick / 2
    styles = _legs, _legs, _pedestal, _slabs, _sled
    draw.add('support', draw.pick(*styles)(draw, *size))
    if draw.chance(0.25):
        shelf, _ = _board(draw, 0.75 * width, 0.75 * depth, 0.025, 'box oval')
        draw.add('shelf', shelf.at(y=draw(0.25, 0.5) * level))


def _fronts(
    draw: Draw, width: float, height: float, rows: int, columns: int
) -> tuple[Solid, Solid]:
    """Draw fronts of drawers or doors on y = 0 at z = 0, and handles."""
    wide, tall = width / columns, height / rows
    panel = row(box(0.9 * wide, 0.88 * tall, 0.03), columns, width)
    bar = box(0.16, 0.02, 0.02) if rows >= columns else box(0.02, 0.16, 0.02)
    grip = draw.pick(ball(0.05, 0.05, 0.05), bar).at(z=0.04)
    grip = row(grip, columns, width)
    levels = [(index + 0.5) * tall for index in range(rows)]
    doors, grips = ([s.at(y=y) for y in levels] for s in (panel, grip))
    return join(*doors), join(*grips)


@category('desk', '99000002', 'top support drawer handle shelf')
def _desk(draw: Draw) -> None:
    width, depth = draw(0.9, 1.7), draw(0.5, 0.8)
    level, thick = draw(0.62, 0.78), draw(0.025, 0.06)
    top, share = _board(draw, width, depth, thick, 'box box soft')
    draw.add('top', top.at(y=level))
    below = level - thick / 2
    wide, tall = draw(0.22, 0.34) * width, below * draw(0.35, 1.0)
    block = box(wide, tall, 0.85 * depth).at(y=tall / 2, z=-0.43 * depth)
    fronts, grips = _fronts(draw, wide, tall, draw.count(1, 4), 1)
    x = draw.pick(-1, 1) * (width / 2 - wide / 2 - 0.02)
    both = pair if draw.chance(0.33) else join
    for part, solid in (
        ('drawer', block), ('drawer', fronts), ('handle', grips)
    ):  # fmt: skip
        solid = solid.at(x, below - tall, 0.43 * depth)
        draw.add(part, both(solid))
    size = 0.98 * share * width, 0.96 * share * depth, below
    style = draw.pick(_legs, _slabs, _slabs, _sled)
    draw.add('support', style(draw, *size))
    if draw.chance(0.35):
        high, z = draw(0.2, 0.5), -0.35 * depth
        shelf = box(0.95 * width, 0.025, 0.25 * depth).at(y=high)
        post = box(0.025, high, 0.25 * depth).at(y=high / 2)
        posts = [post.at(x=x * width) for x in (-0.46, 0.0, 0.46)]
        draw.add('shelf', join(shelf, *posts).at(y=level, z=z))


def _books(draw: Draw, width: float, height: float, depth: float) -> Solid:
    """Draw upright books on y = 0, from the left edge on."""
    right, books = -width / 2, []
    for _ in range(draw.count(2, 9)):
        wide, tall = draw(0.03, 0.07), height * draw(0.55, 0.9)
        book = box(0.9 * wide, tall, depth * draw(0.6, 0.85))
        books.append(book.at(x=right + wide / 2, y=tall / 2))
        right += wide
    return join(*books)


@category('bookshelf', '02871439', 'frame board backing book')
def _bookshelf(draw: Draw) -> None:
    width, height = draw(0.5, 1.3), draw(0.7, 1.9)
    depth, thick, count = draw(0.22, 0.42), draw(0.02, 0.045), draw.count(3, 6)
    side = box(thick, height, depth).at(width / 2, height / 2)
    draw.add('frame', pair(side))
    levels = np.linspace(0.04, height - thick, count)
    for y in levels:
        draw.add('board', box(width, thick, depth).at(y=y))
    if draw.chance(0.5):
        panel = box(width, height, 0.015)
        draw.add('backing', panel.at(y=height / 2, z=-depth / 2))
    for low, high in pairwise(levels):
        if draw.chance(0.45):
            books = _books(draw, 0.95 * width, high - low - thick, depth)
            draw.add('book', books.at(y=low + thick / 2))


@category('cabinet', '02933112', 'body door handle support')
def _cabinet(draw: Draw) -> None:
    width, height = draw(0.5, 1.4), draw(0.5, 1.5)
    depth, feet = draw(0.35, 0.6), draw(0.03, 0.22)
    body = box(width, height, depth)
    draw.add('body', body.at(y=feet + height / 2))
    rows, columns = draw.pick((1, 2), (2, 2), (draw.count(2, 5), 1))
    doors, grips = _fronts(draw, width, 0.97 * height, rows, columns)
    draw.add('door', doors.at(y=feet + 0.01, z=depth / 2))
    draw.add('handle', grips.at(y=feet + 0.01, z=depth / 2))
    if draw.chance(0.4):
        top = cushion(1.08 * width, 0.04, 1.1 * depth)
        draw.add('body', top.at(y=feet + height + 0.02))
    foot = cylinder(0.02, feet, 0.035).at(0.42 * width, 0.0, 0.4 * depth)
    plinth = box(0.92 * width, feet, 0.9 * depth)
    draw.add('support', draw.pick(plinth, four(foot)).at(y=feet / 2))
