"""What rooms have beside furniture: doors, windows, sanitary ware, bins.

The builders add parts like those of the categories, front to +z, and are
drawn through :class:`~mmdet3d_act.synthetic.category.Category`; they are not
registered there, because sets of single objects do not have them.
"""

from __future__ import annotations

import numpy as np

from .category import Category, ShapeBuilder
from .mesh import Mesh
from .primitives import (
    box,
    cylinder,
    ellipsoid,
    hollow,
    loft,
    plate,
    revolve,
    ring,
    rod,
    rounded_box,
    smooth,
    stack,
    tube,
)


def _frame(
    width: float, height: float, bar: float, depth: float
) -> list[Mesh]:
    """Return four bars around a rectangle that stands on y = 0."""
    upright = box(bar, height, depth).moved(y=height / 2)
    across = box(width, bar, depth)
    return [
        upright.moved(x=(bar - width) / 2),
        upright.moved(x=(width - bar) / 2),
        across.moved(y=bar / 2),
        across.moved(y=height - bar / 2),
    ]


def _door(builder: ShapeBuilder) -> None:
    width = builder.uniform(0.8, 1.0)
    height = builder.uniform(1.98, 2.12)
    bar = builder.uniform(0.05, 0.09)
    upright = box(bar, height, 0.14).moved(y=height / 2)
    side = (width - bar) / 2
    builder.add('frame', upright.moved(x=-side), upright.moved(x=side))
    lintel = box(width, bar, 0.14).moved(y=height - bar / 2)
    builder.add('frame', lintel)
    wide, tall = width - 2 * bar, height - bar - 0.01
    leaf = [('leaf', box(wide, tall, 0.04).moved(y=tall / 2))]
    rows = builder.count(0, 3)
    for row in range(rows):
        panel = box(0.7 * wide, 0.75 * tall / rows, 0.06)
        leaf.append(('leaf', panel.moved(y=(row + 0.5) * tall / rows)))
    for z in (-0.045, 0.045):
        grip = box(0.12, 0.025, 0.03).moved(0.36 * wide, 1.0, z)
        leaf.append(('handle', grip))
    angle = -builder.uniform(0.2, 1.4) if builder.chance(0.25) else 0.0
    hinge = (-wide / 2, 0.0, 0.04)
    for part, mesh in leaf:
        builder.add(part, mesh.turned('y', angle, hinge))


def _window(builder: ShapeBuilder) -> None:
    width = builder.uniform(0.8, 1.9)
    height = builder.uniform(0.9, 1.5)
    bar = builder.uniform(0.05, 0.08)
    builder.add('frame', *_frame(width, height, bar, 0.1))
    pane = box(width - bar, height - bar, 0.012)
    builder.add('pane', pane.moved(y=height / 2, z=-0.03))
    columns = builder.count(1, 3)
    for column in range(1, columns):
        x = column * width / columns - width / 2
        post = box(0.7 * bar, height - bar, 0.06)
        builder.add('frame', post.moved(x=x, y=height / 2))
    if builder.chance(0.5):
        rail = box(width - bar, 0.7 * bar, 0.06)
        level = builder.uniform(0.45, 0.75) * height
        builder.add('frame', rail.moved(y=level))
    sill = box(width + 0.06, 0.035, builder.uniform(0.14, 0.26))
    builder.add('sill', sill.moved(y=0.0, z=0.06))


def _picture(builder: ShapeBuilder) -> None:
    width = builder.uniform(0.45, 1.1)
    height = builder.uniform(0.4, 0.9)
    bar = builder.uniform(0.02, 0.05)
    builder.add('frame', *_frame(width, height, bar, 0.045))
    canvas = box(width - bar, height - bar, 0.02).moved(y=height / 2)
    builder.add('canvas', canvas)
    for _ in range(builder.count(2, 5)):
        wide = builder.uniform(0.15, 0.4) * width
        tall = builder.uniform(0.15, 0.4) * height
        x = builder.uniform(-0.25, 0.25) * width
        y = builder.uniform(0.3, 0.7) * height
        shape = plate(ring(wide, tall), 0.004).turned('x', np.pi / 2)
        builder.add('paint', shape.moved(x, y, 0.012))


def _cloth(
    builder: ShapeBuilder, width: float, height: float, wave: float
) -> Mesh:
    """Return a cloth that hangs in folds from y = height down to y = 0."""
    folds = max(2, round(width / builder.uniform(0.1, 0.2)))
    across = np.linspace(-0.5, 0.5, 8 * folds + 1)
    phase = 2 * np.pi * folds * across
    rings = []
    for level, strength in ((0.0, 1.2), (0.5, 1.0), (1.0, 0.7)):
        deep = strength * wave * np.sin(phase)
        front = np.stack([across * width, deep + 0.006], axis=1)
        back = np.stack([across * width, deep - 0.006], axis=1)[::-1]
        outline = np.concatenate([front, back])
        y = np.full(len(outline), level * height)
        rings.append(np.stack([outline[:, 0], y, outline[:, 1]], axis=1))
    return loft(np.stack(rings))


def _curtain(builder: ShapeBuilder) -> None:
    width = builder.uniform(0.45, 0.9)
    height = builder.uniform(1.7, 2.25)
    wave = builder.uniform(0.025, 0.05)
    builder.add('cloth', _cloth(builder, width, height, wave))
    reach = 0.52 * width
    bar = rod([-reach, 0, 0], [reach, 0, 0], 0.014)
    builder.add('rail', bar.moved(y=height + 0.01))


def _shower_curtain(builder: ShapeBuilder) -> None:
    width = builder.uniform(0.75, 1.35)
    height = builder.uniform(1.55, 1.75)
    wave = builder.uniform(0.035, 0.06)
    builder.add('cloth', _cloth(builder, width, height, wave))
    level = height + 0.05
    reach = 0.55 * width
    bar = rod([-reach, level, 0], [reach, level, 0], 0.016)
    builder.add('rail', bar)
    for x in np.linspace(-0.47 * width, 0.47 * width, 8):
        hook = rod([x, height - 0.02, 0], [x, level, 0], 0.006)
        builder.add('rail', hook)


def _refrigerator(builder: ShapeBuilder) -> None:
    width = builder.uniform(0.6, 0.85)
    height = builder.uniform(1.5, 1.9)
    depth = builder.uniform(0.58, 0.72)
    body = box(width, height - 0.04, depth).moved(y=height / 2 + 0.02)
    builder.add('body', body)
    builder.add('foot', box(0.9 * width, 0.05, 0.9 * depth).moved(y=0.025))
    split = builder.uniform(0.3, 0.7)
    side = builder.pick('left', 'right')
    x = (0.42 if side == 'left' else -0.42) * width
    for low, high in ((0.03, split), (split, 1.0)):
        tall = (high - low) * height - 0.02
        middle = (low + high) / 2 * height
        door = rounded_box(0.99 * width, tall, 0.07, power=14, edge=0.2)
        builder.add('door', door.moved(y=middle, z=depth / 2 + 0.035))
        grip = min(0.45, 0.6 * tall)
        bar = rod([x, -grip / 2, 0], [x, grip / 2, 0], 0.016)
        builder.add('handle', bar.moved(y=middle, z=depth / 2 + 0.11))


def _toilet(builder: ShapeBuilder) -> None:
    width = builder.uniform(0.35, 0.4)
    depth = builder.uniform(0.44, 0.52)
    level = builder.uniform(0.37, 0.43)
    bowl = stack(
        [
            (0.0, 0.62 * width, 0.75 * depth),
            (0.35 * level, 0.55 * width, 0.6 * depth),
            (0.75 * level, 0.9 * width, 0.92 * depth),
            (level, width, depth),
            (level, 0.72 * width, 0.72 * depth),
            (0.65 * level, 0.5 * width, 0.45 * depth),
        ],
        power=2.3,
    )
    builder.add('bowl', bowl.moved(z=0.1))
    back = box(0.6 * width, level, 0.2).moved(y=level / 2, z=-0.2)
    builder.add('bowl', back)
    high = builder.uniform(0.32, 0.42)
    tank = rounded_box(1.1 * width, high, 0.2, power=9)
    builder.add('tank', tank.moved(y=level + high / 2, z=-0.25))
    cover = rounded_box(1.16 * width, 0.03, 0.22, power=9)
    builder.add('tank', cover.moved(y=level + high + 0.015, z=-0.25))
    lid = plate(ring(width, depth, power=2.3), 0.02)
    hinge = (0.0, level + 0.02, 0.1 - depth / 2)
    angle = -1.65 if builder.chance(0.5) else 0.0
    lid = lid.moved(y=level + 0.02, z=0.1)
    builder.add('lid', lid.turned('x', angle, hinge))


def basin(width: float, depth: float, height: float) -> Mesh:
    """Return an open basin with a rim, standing on y = 0.

    Args:
        width: Extent along x.
        depth: Extent along z.
        height: Extent along y.
    """
    wall = 0.035
    levels = [
        (0.0, 0.6 * width, 0.6 * depth),
        (0.7 * height, 0.9 * width, 0.9 * depth),
        (height, width, depth),
        (height, width - 2 * wall, depth - 2 * wall),
        (0.5 * height, 0.8 * width - wall, 0.8 * depth - wall),
        (0.2 * height, 0.4 * width, 0.4 * depth),
    ]
    return stack(levels, power=4.0, sides=24)


def tap(height: float) -> Mesh:
    """Return a bent spout that stands on y = 0 and reaches to +z.

    Args:
        height: Extent along y.
    """
    path = [[0, 0, 0], [0, 0.8 * height, 0], [0, height, 0.06],
            [0, 0.85 * height, 0.14]]  # fmt: skip
    return tube(smooth(path, 4), 0.015)


def _washbasin(builder: ShapeBuilder) -> None:
    width = builder.uniform(0.45, 0.68)
    depth = builder.uniform(0.38, 0.5)
    level = builder.uniform(0.78, 0.9)
    high = builder.uniform(0.15, 0.22)
    builder.add('basin', basin(width, depth, high).moved(y=level - high))
    spout = tap(builder.uniform(0.13, 0.22))
    builder.add('tap', spout.moved(y=level, z=-0.45 * depth))
    foot = level - high
    column = cylinder(0.11, foot, top=0.08).moved(y=foot / 2)
    builder.add('column', column.moved(z=-0.12 * depth))


def _bin(builder: ShapeBuilder) -> None:
    width = builder.uniform(0.24, 0.38)
    height = builder.uniform(0.3, 0.6)
    narrow = builder.uniform(0.7, 0.95)
    if builder.chance(0.5):
        outer = np.array([[narrow * width / 2, 0.0], [width / 2, height]])
        builder.add('body', revolve(hollow(outer, 0.012)))
    else:
        inner = width - 0.03
        deep = builder.uniform(0.65, 1.0)
        rows = [
            (0.0, narrow * width),
            (height, width),
            (height, inner),
            (0.02, narrow * inner),
        ]
        levels = [(y, size, deep * size) for y, size in rows]
        builder.add('body', stack(levels, power=8.0))
    builder.add('rim', _rim(width, height) if builder.chance(0.4) else _bag())


def _rim(width: float, height: float) -> Mesh:
    """Return a band around the top of a bin."""
    outer = [(1.04 * width / 2, height - 0.03), (1.04 * width / 2, height)]
    inner = [(0.94 * width / 2, height), (0.94 * width / 2, height - 0.03)]
    return revolve(np.array([*outer, *inner]))


def _bag() -> Mesh:
    """Return rubbish at the bottom of a bin."""
    return ellipsoid(0.15, 0.12, 0.14).moved(y=0.08)


FIXTURES = {
    name: Category(name, '', parts, build)
    for name, parts, build in (
        ('door', ('leaf', 'frame', 'handle'), _door),
        ('window', ('frame', 'pane', 'sill'), _window),
        ('picture', ('frame', 'canvas', 'paint'), _picture),
        ('curtain', ('cloth', 'rail'), _curtain),
        ('shower curtain', ('cloth', 'rail'), _shower_curtain),
        ('refrigerator', ('body', 'door', 'handle', 'foot'), _refrigerator),
        ('toilet', ('bowl', 'tank', 'lid'), _toilet),
        ('washbasin', ('basin', 'tap', 'column'), _washbasin),
        ('bin', ('body', 'rim'), _bin),
    )
}
