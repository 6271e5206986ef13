"""Categories to sit or lie on: chair, stool, bench, sofa, bed."""

from __future__ import annotations

import numpy as np

from .category import ShapeBuilder, category
from .mesh import Mesh
from .primitives import (
    box,
    cylinder,
    loft,
    rod,
    rounded_box,
    torus,
    tube,
)
from .supports import slab_top, support


def _backrest(
    builder: ShapeBuilder, width: float, height: float, style: str
) -> list[Mesh]:
    """Return an upright backrest in the plane z = 0, from y = 0 up."""
    thick = builder.uniform(0.02, 0.05)
    if style == 'plate':
        panel = rounded_box(width, thick, height, power=builder.uniform(3, 9))
        return [panel.turned('x', np.pi / 2).moved(y=height / 2)]
    if style == 'shell':
        return [_shell(builder, width, height, thick)]
    x = width / 2 - thick / 2
    posts = [
        rod([sign * x, 0, 0], [sign * x, height, 0], 0.6 * thick)
        for sign in (-1, 1)
    ]
    rail = box(width, 1.6 * thick, 0.8 * thick)
    if style == 'ladder':
        heights = np.linspace(0.35, 0.97, builder.count(2, 5)) * height
        return posts + [rail.moved(y=float(y)) for y in heights]
    if style == 'frame':
        panel = box(0.8 * width, builder.uniform(0.35, 0.6) * height, thick)
        return [*posts, panel.moved(y=0.65 * height)]
    num_bars = builder.count(3, 7)
    bars = [
        rod([float(at), 0, 0], [float(at), height, 0], 0.35 * thick)
        for at in np.linspace(-x, x, num_bars + 2)[1:-1]
    ]
    return posts + bars + [rail.moved(y=height)]


def _shell(
    builder: ShapeBuilder, width: float, height: float, thick: float
) -> Mesh:
    """Return a backrest that curves around the sitter."""
    bend = builder.uniform(0.08, 0.3) * width
    across = np.linspace(-1, 1, 9)
    front = np.stack([across * width / 2, bend * across**2], axis=1)
    outline = np.concatenate([front, front[::-1] - [0, thick]])
    rings = np.empty((3, len(outline), 3))
    for row, (y, scale) in enumerate(
        [(0, 1.0), (0.7 * height, 1.0), (height, builder.uniform(0.5, 0.95))]
    ):
        rings[row, :, 0] = outline[:, 0] * scale
        rings[row, :, 1] = y
        rings[row, :, 2] = outline[:, 1]
    return loft(rings)


def _armrests(
    builder: ShapeBuilder, width: float, depth: float, level: float
) -> list[Mesh]:
    """Return two armrests over a seat whose top is at y = level."""
    height = builder.uniform(0.14, 0.26)
    thick = builder.uniform(0.02, 0.04)
    x = width / 2 + thick / 2
    if builder.chance(0.3):
        path = [
            [0, 0, 0.4 * depth],
            [0, height, 0.36 * depth],
            [0, height, -0.45 * depth],
        ]
        arm = [tube(path, 0.6 * thick)]
    else:
        bar = box(1.6 * thick, thick, 0.9 * depth).moved(y=height)
        post = box(thick, height, thick)
        arm = [bar, post.moved(y=height / 2, z=0.35 * depth)]
    return [
        mesh.moved(x=sign * x, y=level) for sign in (-1, 1) for mesh in arm
    ]


@category('chair', '03001627', ('seat', 'back', 'support', 'armrest'))
def _chair(builder: ShapeBuilder) -> None:
    width = builder.uniform(0.4, 0.6)
    depth = builder.uniform(0.4, 0.56)
    level = builder.uniform(0.36, 0.54)
    thick = builder.uniform(0.025, 0.1)
    top = level + thick / 2
    seat = slab_top(builder, width, depth, thick, ('box', 'round', 'oval'))
    builder.add('seat', seat.mesh.moved(y=level))
    style = builder.pick('plate', 'shell', 'ladder', 'frame', 'bars')
    height = builder.uniform(0.3, 0.62)
    share = builder.uniform(0.75, 1.0)
    lean = -builder.uniform(0.0, 0.28)
    for mesh in _backrest(builder, share * width, height, style):
        builder.add(
            'back', mesh.turned('x', lean).moved(y=top, z=-0.46 * depth)
        )
    below = level - thick / 2
    builder.add('support', *support(builder, seat.width, seat.depth, below))
    if builder.chance(0.4):
        builder.add('armrest', *_armrests(builder, width, depth, top))


@category('stool', '99000001', ('seat', 'support', 'footrest', 'back'))
def _stool(builder: ShapeBuilder) -> None:
    width = builder.uniform(0.3, 0.46)
    depth = width * builder.uniform(0.75, 1.0)
    level = builder.uniform(0.36, 0.8)
    thick = builder.uniform(0.03, 0.12)
    styles = ('oval', 'oval', 'round', 'box')
    seat = slab_top(builder, width, depth, thick, styles)
    builder.add('seat', seat.mesh.moved(y=level))
    styles = ('four', 'four', 'pedestal', 'sled', 'crossed')
    builder.add(
        'support',
        *support(builder, seat.width, seat.depth, level - thick / 2, styles),
    )
    if level > 0.5 and builder.chance(0.6):
        hoop = torus(0.4 * width, 0.012)
        builder.add('footrest', hoop.moved(y=builder.uniform(0.2, 0.35)))
    if builder.chance(0.2):
        height = builder.uniform(0.1, 0.2)
        for mesh in _backrest(builder, 0.9 * width, height, 'shell'):
            builder.add('back', mesh.moved(y=level, z=-0.45 * depth))


@category('bench', '02828884', ('seat', 'back', 'support', 'armrest'))
def _bench(builder: ShapeBuilder) -> None:
    width = builder.uniform(0.85, 1.7)
    depth = builder.uniform(0.32, 0.48)
    level = builder.uniform(0.36, 0.5)
    thick = builder.uniform(0.03, 0.08)
    if builder.chance(0.5):
        num_planks = builder.count(2, 4)
        step = depth / num_planks
        for index in range(num_planks):
            plank = box(width, thick, 0.8 * step)
            z = (index + 0.5) * step - depth / 2
            builder.add('seat', plank.moved(y=level, z=z))
    else:
        seat = slab_top(builder, width, depth, thick, ('box', 'round'))
        builder.add('seat', seat.mesh.moved(y=level))
    if builder.chance(0.5):
        style = builder.pick('plate', 'ladder', 'bars', 'frame')
        lean = -builder.uniform(0.0, 0.25)
        height = builder.uniform(0.25, 0.45)
        for mesh in _backrest(builder, 0.96 * width, height, style):
            builder.add(
                'back', mesh.turned('x', lean).moved(y=level, z=-0.45 * depth)
            )
    styles = ('four', 'four', 'slabs', 'sled')
    builder.add(
        'support', *support(builder, width, depth, level - thick / 2, styles)
    )
    if builder.chance(0.3):
        builder.add('armrest', *_armrests(builder, width, depth, level))


def _cushions(
    builder: ShapeBuilder, width: float, size: tuple[float, float], count: int
) -> list[Mesh]:
    """Return a row of cushions along x, each (height, depth) = size."""
    step = width / count
    soft = builder.uniform(0.25, 0.45)
    cushion = rounded_box(0.97 * step, *size, edge=soft)
    return [
        cushion.moved(x=(index + 0.5) * step - width / 2)
        for index in range(count)
    ]


@category('sofa', '04256520', ('seat', 'back', 'armrest', 'support'))
def _sofa(builder: ShapeBuilder) -> None:
    width = builder.uniform(0.7, 2.1)
    depth = builder.uniform(0.65, 0.95)
    feet = builder.uniform(0.02, 0.16)
    base = builder.uniform(0.16, 0.28)
    soft = builder.uniform(0.1, 0.18)
    block = rounded_box(width, base, depth, power=10)
    builder.add('seat', block.moved(y=feet + base / 2))
    count = max(1, round(width / builder.uniform(0.55, 0.9)))
    level = feet + base + soft / 2
    for mesh in _cushions(builder, width, (soft, 0.75 * depth), count):
        builder.add('seat', mesh.moved(y=level, z=0.1 * depth))
    height = builder.uniform(0.3, 0.5)
    thick = builder.uniform(0.14, 0.24)
    lean = -builder.uniform(0.0, 0.2)
    for mesh in _cushions(builder, width, (height, thick), count):
        mesh = mesh.moved(y=level + height / 2, z=thick / 2 - depth / 2)
        builder.add('back', mesh.turned('x', lean, (0, level, -depth / 2)))
    if builder.chance(0.85):
        arm = builder.uniform(0.1, 0.22)
        tall = base + builder.uniform(0.15, 0.35)
        if builder.chance(0.4):
            side = rounded_box(arm, tall, depth, edge=0.4)
        else:
            side = box(arm, tall, depth)
        for sign in (-1, 1)[: 1 if builder.chance(0.15) else 2]:
            x = sign * (width + arm) / 2
            builder.add('armrest', side.moved(x=x, y=feet + tall / 2))
    if builder.chance(0.2):
        length = builder.uniform(0.4, 0.7)
        chaise = rounded_box(width / 2.5, base + soft, length, power=9)
        side = width / 2 - width / 5
        builder.add(
            'seat',
            chaise.moved(
                side, feet + (base + soft) / 2, (depth + length) / 2 - 0.02
            ),
        )
    foot = cylinder(0.03, feet, top=0.04).moved(y=feet / 2)
    for x in (-0.45 * width, 0.45 * width):
        for z in (-0.42 * depth, 0.42 * depth):
            builder.add('support', foot.moved(x=x, z=z))


@category(
    'bed',
    '02818832',
    ('frame', 'mattress', 'headboard', 'footboard', 'pillow', 'support'),
)
def _bed(builder: ShapeBuilder) -> None:
    width = builder.uniform(0.85, 1.8)
    length = builder.uniform(1.85, 2.15)
    level = builder.uniform(0.12, 0.4)
    rail = builder.uniform(0.06, 0.18)
    soft = builder.uniform(0.14, 0.26)
    floors = [0.0]
    if width < 1.1 and builder.chance(0.35):
        floors.append(builder.uniform(0.85, 1.05))
    for floor in floors:
        y = floor + level
        frame = box(width, rail, length)
        builder.add('frame', frame.moved(y=y + rail / 2))
        pad = rounded_box(0.96 * width, soft, 0.97 * length, edge=0.3)
        builder.add('mattress', pad.moved(y=y + rail + soft / 2))
        count = 1 if width < 1.2 else 2
        for mesh in _cushions(builder, 0.9 * width, (0.12, 0.38), count):
            builder.add(
                'pillow', mesh.moved(y=y + rail + soft, z=-0.38 * length)
            )
    top = floors[-1] + level
    high = builder.uniform(0.35, 0.8) + rail
    boards = [('headboard', -length / 2, high)]
    if builder.chance(0.5):
        boards.append(('footboard', length / 2, high * 0.6))
    style = builder.pick('plate', 'plate', 'bars', 'ladder', 'frame')
    for part, z, height in boards:
        for mesh in _backrest(builder, width, height, style):
            builder.add(part, mesh.moved(y=top, z=z))
    thick = builder.uniform(0.03, 0.06)
    leg = box(thick, top, thick).moved(y=top / 2)
    for x in (0.02 - width / 2, width / 2 - 0.02):
        for z in (0.02 - length / 2, length / 2 - 0.02):
            builder.add('support', leg.moved(x=x, z=z))
