"""What furniture stands on: legs, columns, panels and frames.

Chairs, stools, benches, tables, desks and beds draw their supports from
here, so that no category is given away by its legs alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .category import ShapeBuilder
from .mesh import Mesh
from .primitives import (
    box,
    cylinder,
    plate,
    ring,
    rod,
    rounded_box,
    tube,
)


class Top(NamedTuple):
    """A plate to sit on or to work at.

    Attributes:
        mesh: The plate, centred at the origin.
        width: Extent along x below which a support has room.
        depth: Extent along z below which a support has room.
    """

    mesh: Mesh
    width: float
    depth: float


def four_legs(
    builder: ShapeBuilder, width: float, depth: float, height: float
) -> list[Mesh]:
    """Return four corner legs below y = height, some with stretchers.

    Args:
        builder: Source of the random choices.
        width: Extent along x of what the legs carry.
        depth: Extent along z of what the legs carry.
        height: Length of the legs.
    """
    thick = builder.uniform(0.018, 0.045)
    inset = builder.uniform(0.0, 0.06) + thick
    splay = builder.uniform(0.0, 0.09) if builder.chance(0.4) else 0.0
    narrow = builder.uniform(0.45, 1.0)
    square = builder.chance(0.5)
    x, z = width / 2 - inset, depth / 2 - inset
    meshes, feet = [], []
    for sign_x, sign_z in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        top = np.array([sign_x * x, height, sign_z * z])
        foot = np.array([sign_x * (x + splay), 0, sign_z * (z + splay)])
        meshes.append(
            rod(
                foot,
                top,
                thick * narrow * (1.3 if square else 1.0),
                end_radius=thick * (1.3 if square else 1.0),
                sides=4 if square else 9,
            )
        )
        feet.append((foot, top))
    if builder.chance(0.4):
        share = builder.uniform(0.2, 0.7)
        at = [foot + share * (top - foot) for foot, top in feet]
        pairs = [(0, 1), (2, 3)]
        pairs += [(0, 2), (1, 3)] if builder.chance(0.5) else []
        meshes += [rod(at[i], at[j], 0.55 * thick) for i, j in pairs]
    return meshes


def pedestal(
    builder: ShapeBuilder, width: float, depth: float, height: float
) -> list[Mesh]:
    """Return one column with a disc or a star of feet."""
    reach = 0.5 * min(width, depth, 1.0) * builder.uniform(0.6, 0.95)
    radius = builder.uniform(0.02, 0.06)
    column = cylinder(radius, height, top=radius * builder.uniform(0.6, 1.4))
    meshes = [column.moved(y=height / 2)]
    if builder.chance(0.5):
        thick = builder.uniform(0.015, 0.05)
        disc = cylinder(reach, thick, top=reach * builder.uniform(0.3, 1.0))
        return [*meshes, disc.moved(y=thick / 2)]
    num_feet = builder.count(3, 5)
    rise = builder.uniform(0.03, 0.15) * height
    for index in range(num_feet):
        angle = 2 * np.pi * index / num_feet
        end = [reach * np.cos(angle), 0.02, reach * np.sin(angle)]
        meshes.append(
            rod(end, [0, rise + 0.04, 0], 0.5 * radius, end_radius=radius)
        )
    return meshes


def slabs(
    builder: ShapeBuilder, width: float, depth: float, height: float
) -> list[Mesh]:
    """Return two side panels, some with a panel between them."""
    thick = builder.uniform(0.02, 0.05)
    inset = builder.uniform(0.0, 0.15) * width + thick / 2
    share = builder.uniform(0.6, 1.0)
    panel = box(thick, height, depth * share).moved(y=height / 2)
    x = width / 2 - inset
    meshes = [panel.moved(x=-x), panel.moved(x=x)]
    if builder.chance(0.5):
        tall = height * builder.uniform(0.15, 0.6)
        middle = box(2 * x, tall, 0.7 * thick)
        meshes.append(
            middle.moved(y=builder.uniform(0.3, 0.6) * height + tall / 4)
        )
    return meshes


def sled(
    builder: ShapeBuilder, width: float, depth: float, height: float
) -> list[Mesh]:
    """Return two bent loops that run along the floor."""
    radius = builder.uniform(0.012, 0.025)
    inset = builder.uniform(0.02, 0.08)
    x, z = width / 2 - inset, depth / 2 - 0.02
    slant = builder.uniform(-0.06, 0.06)
    loop = np.array(
        [
            [0, height, -z],
            [0, 0.05, -z - slant],
            [0, radius, -z - slant + 0.05],
            [0, radius, z + slant - 0.05],
            [0, 0.05, z + slant],
            [0, height, z],
        ]
    )
    side = tube(loop, radius)
    return [side.moved(x=-x), side.moved(x=x)]


def crossed(
    builder: ShapeBuilder, width: float, depth: float, height: float
) -> list[Mesh]:
    """Return two pairs of crossing bars, as under a folding table."""
    radius = builder.uniform(0.014, 0.028)
    x, z = 0.42 * width, 0.42 * depth
    meshes = []
    for side in (-z, z):
        meshes.append(rod([-x, 0, side], [x, height, side], radius))
        meshes.append(rod([x, 0, side], [-x, height, side], radius))
    meshes.append(rod([0, height / 2, -z], [0, height / 2, z], radius))
    return meshes


_STYLES = {
    'four': four_legs,
    'pedestal': pedestal,
    'slabs': slabs,
    'sled': sled,
    'crossed': crossed,
}


def support(
    builder: ShapeBuilder,
    width: float,
    depth: float,
    height: float,
    styles: tuple[str, ...] = ('four', 'four', 'pedestal', 'slabs', 'sled'),
) -> list[Mesh]:
    """Return a support of a random style between y = 0 and y = height.

    Args:
        builder: Source of the random choices.
        width: Extent along x of what is carried.
        depth: Extent along z of what is carried.
        height: Height of the support.
        styles: Names of the styles to choose from; a name that comes twice
            is twice as likely.
    """
    return _STYLES[builder.pick(*styles)](builder, width, depth, height)


def slab_top(
    builder: ShapeBuilder,
    width: float,
    depth: float,
    thick: float,
    styles: tuple[str, ...] = ('box', 'round', 'oval'),
) -> Top:
    """Return a plate of a random outline, with the room below it.

    Args:
        builder: Source of the random choices.
        width: Extent along x.
        depth: Extent along z.
        thick: Extent along y.
        styles: Outlines to choose from: 'box', 'round' (soft corners) and
            'oval'.
    """
    style = builder.pick(*styles)
    if style == 'box':
        narrow = builder.uniform(0.85, 1.0) if builder.chance(0.3) else 1.0
        mesh = box(width, thick, depth, taper=(narrow, narrow))
        return Top(mesh, width, depth)
    if style == 'round':
        mesh = rounded_box(width, thick, depth, power=builder.uniform(3, 8))
        return Top(mesh, 0.93 * width, 0.93 * depth)
    mesh = plate(ring(width, depth, sides=28), thick)
    return Top(mesh, 0.78 * width, 0.78 * depth)
