"""What only rooms have: doors, windows, curtains, sanitary ware, bins."""

from __future__ import annotations

import numpy as np

from .category import Draw, category
from .solids import (
    Solid,
    ball,
    box,
    cushion,
    cylinder,
    frame,
    join,
    pair,
    plate,
    ring,
    rod,
    row,
    skin,
    smooth,
    stack,
    tube,
    vessel,
)


@category('door', '', 'leaf frame handle')
def _door(draw: Draw) -> None:
    width, height, bar = draw(0.8, 1.0), draw(1.98, 2.12), draw(0.05, 0.09)
    upright = box(bar, height, 0.14).at((width - bar) / 2, height / 2)
    draw.add('frame', pair(upright))
    draw.add('frame', box(width, bar, 0.14).at(y=height - bar / 2))
    wide, tall = width - 2 * bar, height - bar - 0.01
    panel = box(0.7 * wide, 0.35 * tall, 0.06).at(y=0.25 * tall)
    leaf = box(wide, tall, 0.04).at(y=tall / 2)
    leaf = join(leaf, panel, panel.at(y=tall / 2))
    grip = pair(box(0.12, 0.025, 0.03).at(0.36 * wide, 1.0, 0.045), 'z')
    angle = -draw(0.2, 1.4) if draw.chance(0.25) else 0.0
    for part, solid in (('leaf', leaf), ('handle', grip)):
        draw.add(part, solid.turned('y', angle, (-wide / 2, 0.0, 0.04)))


@category('window', '', 'frame pane sill')
def _window(draw: Draw) -> None:
    width, height, bar = draw(0.8, 1.9), draw(0.9, 1.5), draw(0.05, 0.08)
    draw.add('frame', frame(width, height, bar, 0.1))
    pane = box(width - bar, height - bar, 0.012)
    draw.add('pane', pane.at(y=height / 2, z=-0.03))
    post = box(0.7 * bar, height - bar, 0.06)
    draw.add('frame', post.at(draw.pick(0, 0.2) * width, height / 2))
    draw.add('sill', box(width + 0.06, 0.035, draw(0.14, 0.26)).at(z=0.06))


@category('picture', '', 'frame canvas paint')
def _picture(draw: Draw) -> None:
    width, height, bar = draw(0.45, 1.1), draw(0.4, 0.9), draw(0.02, 0.05)
    draw.add('frame', frame(width, height, bar, 0.045))
    canvas = box(width - bar, height - bar, 0.02)
    draw.add('canvas', canvas.at(y=height / 2))
    for _ in range(draw.count(2, 5)):
        blot = ring(draw(0.15, 0.4) * width, draw(0.15, 0.4) * height)
        x, y = draw(-0.25, 0.25) * width, draw(0.3, 0.7) * height
        draw.add(
            'paint', plate(blot, 0.004).turned('x', np.pi / 2).at(x, y, 0.012)
        )


def _cloth(draw: Draw, width: float, height: float, wave: float) -> Solid:
    """Draw a cloth that hangs in folds from y = height."""
    folds = max(2, round(width / draw(0.1, 0.2)))
    across = np.linspace(-0.5, 0.5, 8 * folds + 1)
    rows = []
    for strength in (1.2, 1.0, 0.7):
        deep = strength * wave * np.sin(2 * np.pi * folds * across)
        front = np.stack([across * width, deep + 0.006], axis=1)
        rows.append(np.concatenate([front, front[::-1] - [0, 0.012]]))
    return skin(rows, [0.0, height / 2, height])


@category('curtain', '', 'cloth rail')
def _curtain(draw: Draw) -> None:
    width, height = draw(0.45, 0.9), draw(1.7, 2.25)
    draw.add('cloth', _cloth(draw, width, height, draw(0.025, 0.05)))
    reach, y = 0.52 * width, height + 0.01
    draw.add('rail', rod((-reach, y, 0), (reach, y, 0), 0.014))


@category('shower curtain', '', 'cloth rail')
def _shower_curtain(draw: Draw) -> None:
    width, height = draw(0.75, 1.35), draw(1.55, 1.75)
    draw.add('cloth', _cloth(draw, width, height, draw(0.035, 0.06)))
    reach, y = 0.55 * width, height + 0.05
    draw.add('rail', rod((-reach, y, 0), (reach, y, 0), 0.016))
    hook = rod((0, height - 0.02, 0), (0, y, 0), 0.006)
    draw.add('rail', row(hook, 8, width))


@category('refrigerator', '', 'body door handle foot')
def _refrigerator(draw: Draw) -> None:
    width, height, depth = draw(0.6, 0.85), draw(1.5, 1.9), draw(0.58, 0.72)
    body = box(width, height - 0.04, depth)
    draw.add('body', body.at(y=height / 2 + 0.02))
    draw.add('foot', box(0.9 * width, 0.05, 0.9 * depth).at(y=0.025))
    x, split = draw.pick(-0.42, 0.42) * width, draw(0.3, 0.7)
    for low, high in ((0.03, split), (split, 1.0)):
        tall, y = (high - low) * height - 0.02, (low + high) / 2 * height
        door = cushion(0.99 * width, tall, 0.07, 14, 0.2)
        draw.add('door', door.at(y=y, z=depth / 2 + 0.035))
        grip = min(0.22, 0.3 * tall)
        bar = rod((x, y - grip, 0), (x, y + grip, 0), 0.016)
        draw.add('handle', bar.at(z=depth / 2 + 0.11))


@category('toilet', '', 'bowl tank lid')
def _toilet(draw: Draw) -> None:
    width, depth, level = draw(0.35, 0.4), draw(0.44, 0.52), draw(0.37, 0.43)
    rows = [(0.0, 0.62, 0.75), (0.35, 0.55, 0.6), (0.75, 0.9, 0.92),
            (1.0, 1.0, 1.0), (1.0, 0.72, 0.72), (0.65, 0.5, 0.45)]  # fmt: skip
    bowl = stack(np.array(rows) * [level, width, depth], 2.3)
    back = box(0.6 * width, level, 0.2).at(y=level / 2, z=-0.3)
    draw.add('bowl', join(bowl, back).at(z=0.1))
    high = draw(0.32, 0.42)
    tank = cushion(1.1 * width, high, 0.2, 9).at(y=high / 2)
    cover = cushion(1.16 * width, 0.03, 0.22, 9).at(y=high + 0.015)
    draw.add('tank', join(tank, cover).at(y=level, z=-0.25))
    lid = plate(ring(width, depth, 2.3), 0.02).at(z=depth / 2)
    lid = lid.turned('x', draw.pick(0.0, -1.45))
    draw.add('lid', lid.at(y=level + 0.02, z=0.1 - depth / 2))


def _basin(width: float, depth: float, height: float) -> Solid:
    """Make an open basin with a rim, standing on y = 0."""
    rows = [(0.0, 0.6, 0.6), (0.7, 0.9, 0.9), (1.0, 1.0, 1.0),
            (1.0, 0.87, 0.84), (0.5, 0.72, 0.7), (0.2, 0.4, 0.4)]  # fmt: skip
    return stack(np.array(rows) * [height, width, depth], 4.0, 24)


def _tap(height: float) -> Solid:
    """Make a bent spout that stands on y = 0 and reaches to +z."""
    knots = [(0, 0, 0), (0, 0.8 * height, 0), (0, height, 0.06),
             (0, 0.85 * height, 0.14)]  # fmt: skip
    return tube(smooth(knots), 0.015)


@category('counter', '', 'top body door handle')
def _counter(draw: Draw) -> None:
    length, depth, level = draw(1.5, 2.6), draw(0.58, 0.66), draw(0.76, 0.82)
    draw.add('body', box(length, level, depth).at(y=level / 2))
    draw.add('top', box(length, draw(0.04, 0.07), 0.7).at(y=level))
    draw.add('top', box(length, 0.25, 0.03).at(y=level, z=-depth / 2))
    count = round(length / draw(0.4, 0.6))
    step, z = length / count, depth / 2 + 0.01
    door = box(0.93 * step, 0.8 * level, 0.025).at(y=0.45 * level, z=z)
    draw.add('door', row(door, count, length))
    grip = box(0.3 * step, 0.015, 0.02).at(y=0.75 * level, z=z + 0.025)
    draw.add('handle', row(grip, count, length))


@category('sink', '', 'basin tap')
def _sink(draw: Draw) -> None:
    depth = draw(0.36, 0.42)
    draw.add('basin', _basin(draw(0.42, 0.6), depth, 0.14))
    draw.add('tap', _tap(draw(0.18, 0.28)).at(z=-0.5 * depth))


@category('washbasin', '', 'basin tap column')
def _washbasin(draw: Draw) -> None:
    width, depth = draw(0.45, 0.68), draw(0.38, 0.5)
    level, high = draw(0.78, 0.9), draw(0.15, 0.22)
    draw.add('basin', _basin(width, depth, high).at(y=level - high))
    draw.add('tap', _tap(draw(0.13, 0.22)).at(y=level, z=-0.45 * depth))
    column = cylinder(0.11, level - high, 0.08).at(y=(level - high) / 2)
    draw.add('column', column.at(z=-0.12 * depth))


@category('bin', '', 'body rim')
def _bin(draw: Draw) -> None:
    width, height, narrow = draw(0.2, 0.38), draw(0.3, 0.6), draw(0.7, 0.95)
    top = width / 2
    body = vessel([(narrow * top, 0.0), (top, height)], 0.012)
    draw.add('body', body.scaled(1.0, 1.0, draw(0.65, 1.0)))
    draw.add('rim', ball(0.15, 0.12, 0.14).at(y=0.08))
