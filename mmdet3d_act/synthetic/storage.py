"""Categories to work at or to put things into: table to cabinet."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .category import ShapeBuilder, category
from .mesh import Mesh
from .primitives import box, cylinder, ellipsoid, rod, rounded_box
from .supports import slab_top, support


@category('table', '04379243', ('top', 'support', 'shelf'))
def _table(builder: ShapeBuilder) -> None:
    width = builder.uniform(0.55, 1.7)
    depth = width * builder.uniform(0.45, 1.0)
    level = builder.uniform(0.36, 0.8)
    thick = builder.uniform(0.02, 0.08)
    top = slab_top(builder, width, depth, thick)
    builder.add('top', top.mesh.moved(y=level))
    styles = ('four', 'four', 'pedestal', 'slabs', 'sled', 'crossed')
    carried = 0.8 if builder.chance(0.4) else 0.97
    builder.add(
        'support',
        *support(
            builder,
            carried * top.width,
            carried * top.depth,
            level - thick / 2,
            styles,
        ),
    )
    if builder.chance(0.25):
        shelf = slab_top(builder, 0.75 * width, 0.75 * depth, 0.025)
        height = builder.uniform(0.25, 0.5) * level
        builder.add('shelf', shelf.mesh.moved(y=height))


def _front(
    builder: ShapeBuilder, width: float, height: float, rows: int, columns: int
) -> tuple[list[Mesh], list[Mesh]]:
    """Return raised drawer or door fronts at z = 0, and their handles."""
    fronts, handles = [], []
    style = builder.pick('knob', 'bar', 'none')
    across = rows >= columns
    for row in range(rows):
        for column in range(columns):
            x = (column + 0.5) * width / columns - width / 2
            y = (row + 0.5) * height / rows
            panel = box(0.9 * width / columns, 0.88 * height / rows, 0.03)
            fronts.append(panel.moved(x=x, y=y))
            if style == 'knob':
                handles.append(ellipsoid(0.05, 0.05, 0.05).moved(x, y, 0.04))
            elif style == 'bar':
                size = (0.16, 0.02, 0.02) if across else (0.02, 0.16, 0.02)
                handles.append(box(*size).moved(x, y, 0.045))
    return fronts, handles


@category('desk', '99000002', ('top', 'support', 'drawer', 'handle', 'shelf'))
def _desk(builder: ShapeBuilder) -> None:
    width = builder.uniform(0.9, 1.7)
    depth = builder.uniform(0.5, 0.8)
    level = builder.uniform(0.62, 0.78)
    thick = builder.uniform(0.025, 0.06)
    top = slab_top(builder, width, depth, thick, ('box', 'box', 'round'))
    builder.add('top', top.mesh.moved(y=level))
    sides = [[-1], [1], [-1, 1]][builder.count(0, 2)]
    wide = builder.uniform(0.22, 0.34) * width
    tall = (level - thick / 2) * builder.uniform(0.35, 1.0)
    rows = builder.count(1, 4)
    for side in sides:
        x = side * (width / 2 - wide / 2 - 0.02)
        y = level - thick / 2 - tall
        block = box(wide, tall, 0.85 * depth)
        builder.add('drawer', block.moved(x=x, y=y + tall / 2))
        fronts, handles = _front(builder, wide, tall, rows, 1)
        for part, meshes in (('drawer', fronts), ('handle', handles)):
            for mesh in meshes:
                builder.add(part, mesh.moved(x, y, 0.43 * depth))
    builder.add(
        'support',
        *support(
            builder,
            0.98 * top.width,
            0.96 * top.depth,
            level - thick / 2,
            ('four', 'slabs', 'slabs', 'sled'),
        ),
    )
    if builder.chance(0.35):
        high = builder.uniform(0.2, 0.5)
        z = -0.35 * depth
        board = box(0.95 * width, 0.025, 0.25 * depth)
        builder.add('shelf', board.moved(y=level + high, z=z))
        for x in (-0.46 * width, 0.0, 0.46 * width):
            post = box(0.025, high, 0.25 * depth)
            builder.add('shelf', post.moved(x, level + high / 2, z))


def _books(
    builder: ShapeBuilder, width: float, height: float, depth: float
) -> list[Mesh]:
    """Return a row of upright books on y = 0, from the left edge on."""
    at, meshes = -width / 2, []
    end = width * builder.uniform(-0.2, 0.5)
    while at < end and len(meshes) < 9:
        thick = builder.uniform(0.03, 0.07)
        tall = height * builder.uniform(0.55, 0.9)
        book = box(0.9 * thick, tall, depth * builder.uniform(0.6, 0.85))
        meshes.append(book.moved(x=at + thick / 2, y=tall / 2))
        at += thick
    return meshes


@category('bookshelf', '02871439', ('frame', 'board', 'backing', 'book'))
def _bookshelf(builder: ShapeBuilder) -> None:
    width = builder.uniform(0.5, 1.3)
    height = builder.uniform(0.7, 1.9)
    depth = builder.uniform(0.22, 0.42)
    thick = builder.uniform(0.02, 0.045)
    num_boards = builder.count(3, 6)
    if builder.chance(0.75):
        side = box(thick, height, depth).moved(y=height / 2)
        builder.add('frame', side.moved(x=-width / 2), side.moved(x=width / 2))
    else:
        for x in (-width / 2, width / 2):
            for z in (-0.47 * depth, 0.47 * depth):
                builder.add(
                    'frame', rod([x, 0, z], [x, height, z], 0.6 * thick)
                )
    levels = np.linspace(0.04, height - thick, num_boards)
    levels[1:-1] += builder.rng.normal(0, 0.02, num_boards - 2) * height
    board = box(width, thick, depth)
    for y in levels:
        builder.add('board', board.moved(y=float(y)))
    if builder.chance(0.5):
        panel = box(width, height, 0.015)
        builder.add('backing', panel.moved(y=height / 2, z=-depth / 2))
    if builder.chance(0.35):
        divider = box(thick, height, 0.95 * depth)
        builder.add('frame', divider.moved(y=height / 2))
    for low, high in pairwise(levels):
        if builder.chance(0.45):
            space = float(high - low) - thick
            for book in _books(builder, 0.95 * width, space, depth):
                builder.add('book', book.moved(y=float(low) + thick / 2))


@category('cabinet', '02933112', ('body', 'door', 'handle', 'support'))
def _cabinet(builder: ShapeBuilder) -> None:
    width = builder.uniform(0.5, 1.4)
    height = builder.uniform(0.5, 1.5)
    depth = builder.uniform(0.35, 0.6)
    feet = builder.uniform(0.03, 0.22)
    body = box(width, height, depth).moved(y=feet + height / 2)
    builder.add('body', body)
    style = builder.pick('doors', 'drawers', 'mixed')
    splits = {
        'doors': [(0.0, 1.0, 1, builder.count(1, 3))],
        'drawers': [(0.0, 1.0, builder.count(2, 5), builder.count(1, 2))],
        'mixed': [(0.0, 0.6, 1, 2), (0.6, 0.4, builder.count(1, 2), 1)],
    }[style]
    for start, share, rows, columns in splits:
        fronts, handles = _front(
            builder, 0.97 * width, 0.97 * share * height, rows, columns
        )
        y = feet + start * height + 0.01
        for part, meshes in (('door', fronts), ('handle', handles)):
            for mesh in meshes:
                builder.add(part, mesh.moved(y=y, z=depth / 2))
    if builder.chance(0.4):
        top = rounded_box(1.08 * width, 0.04, 1.1 * depth)
        builder.add('body', top.moved(y=feet + height + 0.02))
    if builder.chance(0.4):
        plinth = box(0.92 * width, feet, 0.9 * depth)
        builder.add('support', plinth.moved(y=feet / 2))
        return
    foot = cylinder(0.02, feet, top=0.035).moved(y=feet / 2)
    for x in (-0.42 * width, 0.42 * width):
        for z in (-0.4 * depth, 0.4 * depth):
            builder.add('support', foot.moved(x=x, z=z))
