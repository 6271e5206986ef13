"""Household things: display, laptop, lamp, cap, guitar, knife."""

from __future__ import annotations

import numpy as np

from .category import ShapeBuilder, category
from .mesh import Mesh
from .primitives import (
    box,
    cylinder,
    ellipsoid,
    loft,
    plate,
    revolve,
    ring,
    rod,
    rounded_box,
    smooth,
    tube,
)


@category('display', '03211117', ('screen', 'frame', 'neck', 'base'))
def _display(builder: ShapeBuilder) -> None:
    width = builder.uniform(0.7, 1.3)
    height = width * builder.uniform(0.45, 0.8)
    thick = builder.uniform(0.03, 0.09)
    rise = builder.uniform(0.12, 0.35)
    level = rise + height / 2
    tilt = builder.uniform(-0.15, 0.05)
    pivot = (0, level, 0)
    edge = builder.uniform(0.02, 0.07)
    panel = box(width - edge, height - edge, 0.7 * thick).moved(y=level)
    bars = [
        box(width, edge, thick).moved(y=level + sign * (height - edge) / 2)
        for sign in (-1, 1)
    ] + [
        box(edge, height, thick).moved(x=sign * (width - edge) / 2, y=level)
        for sign in (-1, 1)
    ]
    builder.add('screen', panel.turned('x', tilt, pivot))
    for bar in bars:
        builder.add('frame', bar.turned('x', tilt, pivot))
    if builder.chance(0.25):
        depth = builder.uniform(0.2, 0.5)
        tube_back = box(0.9 * width, depth, 0.9 * height, taper=(0.5, 0.5))
        back = tube_back.turned('x', -np.pi / 2)
        builder.add('frame', back.moved(y=level, z=-depth / 2))
    if builder.chance(0.25):
        for x in (-0.35 * width, 0.35 * width):
            builder.add('neck', box(0.04, rise, 0.04).moved(x, rise / 2))
            builder.add('base', box(0.05, 0.03, 0.36).moved(x=x, y=0.015))
        return
    reach = builder.uniform(0.3, 0.6) * width
    stand = builder.pick('oval', 'box', 'feet')
    z = -builder.uniform(0.0, 0.08)
    neck = box(builder.uniform(0.06, 0.2), rise + 0.15, 0.05)
    builder.add('neck', neck.moved(y=rise / 2 + 0.075, z=z - 0.03))
    if stand == 'feet':
        for sign in (-1, 1):
            end = [sign * reach / 2, 0.01, 0.16]
            builder.add('base', rod([0, 0.04, z], end, 0.025))
            builder.add(
                'base', rod([0, 0.04, z], [end[0], 0.01, -0.14], 0.025)
            )
        return
    power = 2.0 if stand == 'oval' else 9.0
    outline = ring(reach, builder.uniform(0.22, 0.36), power=power)
    builder.add('base', plate(outline, 0.03).moved(y=0.015))


@category('laptop', '03642806', ('base', 'screen', 'keyboard'))
def _laptop(builder: ShapeBuilder) -> None:
    width = builder.uniform(0.8, 1.1)
    depth = width * builder.uniform(0.55, 0.85)
    thick = builder.uniform(0.025, 0.12)
    soft = builder.uniform(5, 12)
    base = rounded_box(width, thick, depth, power=soft)
    builder.add('base', base.moved(y=thick / 2))
    rows = builder.count(3, 5)
    for row in range(rows):
        strip = box(0.85 * width, 0.02, 0.32 * depth / rows)
        z = (row / rows - 0.42) * 0.5 * depth
        builder.add('keyboard', strip.moved(y=thick + 0.005, z=z))
    pad = box(0.28 * width, 0.012, 0.22 * depth)
    builder.add('keyboard', pad.moved(y=thick, z=0.32 * depth))
    lid = 0.6 * thick
    angle = np.deg2rad(builder.uniform(25, 165))
    screen = rounded_box(width, lid, depth, power=soft).moved(z=depth / 2)
    builder.add(
        'screen', screen.turned('x', -angle).moved(y=thick, z=-depth / 2)
    )


def _shade(builder: ShapeBuilder, size: float) -> Mesh:
    """Return an open lampshade around the origin, opening downward."""
    height = size * builder.uniform(0.6, 1.5)
    top = size * builder.uniform(0.25, 1.0)
    if builder.chance(0.3):
        share = np.linspace(0, 1, 7)
        radii = size * np.sqrt(np.maximum(1 - share**2, 0.02))
    else:
        share = np.linspace(0, 1, 3)
        radii = size + (top - size) * share
    outer = np.stack([radii, height * (share - 0.5)], axis=1)
    inner = outer[::-1] * np.array([0.93, 1.0])
    profile = np.concatenate([outer, inner, outer[:1]])
    return revolve(profile, sides=22)


@category('lamp', '03636649', ('base', 'pole', 'shade', 'bulb'))
def _lamp(builder: ShapeBuilder) -> None:
    size = builder.uniform(0.14, 0.32)
    style = builder.pick('floor', 'table', 'table', 'arm', 'hanging')
    height = (
        builder.uniform(1.0, 1.5)
        if style == 'floor'
        else builder.uniform(0.4, 0.8)
    )
    shade = _shade(builder, size)
    bulb = ellipsoid(0.4 * size, 0.5 * size, 0.4 * size)
    if style == 'hanging':
        builder.add('pole', rod([0, 0, 0], [0, height, 0], 0.012))
        builder.add('base', cylinder(0.1, 0.04).moved(y=height))
        builder.add('shade', shade)
        builder.add('bulb', bulb)
        return
    radius = builder.uniform(0.12, 0.22)
    thick = builder.uniform(0.02, 0.08)
    foot = cylinder(radius, thick, top=radius * builder.uniform(0.3, 1.0))
    builder.add('base', foot.moved(y=thick / 2))
    if style == 'arm':
        elbow = [0, height, -0.22]
        hand = [0, height + builder.uniform(-0.1, 0.2), 0.28]
        builder.add('pole', rod([0, thick, 0], elbow, 0.018))
        builder.add('pole', rod(elbow, hand, 0.016))
        tilt = -builder.uniform(0.2, 0.9)
        builder.add(
            'shade', shade.scaled(0.7, 0.7, 0.7).turned('x', tilt).moved(*hand)
        )
        builder.add('bulb', bulb.scaled(0.7, 0.7, 0.7).moved(*hand))
        return
    if style == 'table' and builder.chance(0.6):
        radii = [builder.uniform(0.03, 0.16) for _ in range(4)]
        places = np.linspace(thick, height, 4)
        curve = smooth(np.stack([radii, places], axis=1), 4)
        curve[:, 0] = np.maximum(curve[:, 0], 0.02)
        builder.add('pole', revolve(curve, sides=16))
    else:
        builder.add(
            'pole',
            rod([0, 0, 0], [0, height, 0], builder.uniform(0.012, 0.03)),
        )
    builder.add('shade', shade.moved(y=height + 0.1))
    builder.add('bulb', bulb.moved(y=height + 0.05))


@category('cap', '02954340', ('crown', 'brim', 'button'))
def _cap(builder: ShapeBuilder) -> None:
    width = builder.uniform(0.75, 0.95)
    depth = width * builder.uniform(1.0, 1.25)
    height = builder.uniform(0.4, 0.65)
    if builder.chance(0.6):
        share = np.linspace(0, 1, 10)
        round_off = builder.uniform(1.8, 3.0)
        radii = np.maximum(1 - share**round_off, 0.0) ** (1 / round_off)
        outer = np.stack([0.5 * np.maximum(radii, 0.01), share], axis=1)
        inner = outer[::-1] * np.array([0.95, 0.95])
        crown = revolve(np.concatenate([outer, inner]))
        builder.add('crown', crown.scaled(width, height, depth))
        builder.add('brim', _visor(builder, width, depth))
        if builder.chance(0.7):
            knob = ellipsoid(0.08, 0.05, 0.08)
            builder.add('button', knob.moved(y=height))
        return
    top = builder.uniform(0.6, 1.0)
    profile = [(0.5, 0.0), (0.5 * top, 0.85), (0.42 * top, 1.0), (0.01, 0.97)]
    inner = [(0.01, 0.9), (0.38 * top, 0.9), (0.47, 0.0)]
    crown = revolve(profile + inner).scaled(width, height, depth)
    builder.add('crown', crown)
    wide = builder.uniform(1.35, 1.9)
    outline = ring(wide * width, wide * depth, sides=28)
    rings = []
    curl = builder.uniform(-0.08, 0.18)
    for y, scale in ((0.0, 0.55), (0.0, 1.0), (0.025, 1.0), (0.025, 0.55)):
        circle = np.insert(outline * scale, 1, y, axis=1)
        circle[:, 1] += curl * (2 * circle[:, 0] / (wide * width)) ** 2
        rings.append(circle)
    builder.add('brim', loft(np.array(rings), closed=True))
    if builder.chance(0.5):
        band = revolve([(0.51, 0.05), (0.51, 0.2), (0.49, 0.2), (0.49, 0.05)])
        builder.add('button', band.scaled(width, height, depth))


def _visor(builder: ShapeBuilder, width: float, depth: float) -> Mesh:
    """Return a peak in front (+z) of a crown of the given size."""
    reach = builder.uniform(0.3, 0.5)
    droop = builder.uniform(0.02, 0.15)
    side = np.linspace(-1, 1, 13)
    arc = np.sqrt(np.maximum(1 - side**2, 0.0))
    sections = []
    for x, bend in zip(side, arc, strict=True):
        start = 0.48 * depth * np.sqrt(max(1 - (0.96 * x) ** 2, 0.0))
        end = start + reach * bend**0.7 + 0.01
        y = -droop * x**2
        tip = y - 0.05 * bend
        corners = (
            (y, start),
            (tip, end),
            (tip + 0.03, end),
            (y + 0.03, start),
        )
        sections.append([(0.48 * width * x, a, b) for a, b in corners])
    return loft(np.array(sections)).moved(y=0.03)


def _guitar_outline(builder: ShapeBuilder, electric: bool) -> np.ndarray:
    """Return the outline (x, z) of a body with its neck towards +z."""
    lower = builder.uniform(0.19, 0.24)
    upper = lower * builder.uniform(0.7, 0.92)
    waist = lower * builder.uniform(0.5, 0.7)
    knots = [(0.02, -0.3), (0.8 * lower, -0.25), (lower, -0.11),
             (waist, 0.06), (upper, 0.19)]  # fmt: skip
    if electric:
        horn = builder.uniform(0.27, 0.36)
        right = [*knots, (0.85 * upper, horn), (0.06, 0.2)]
        left = [
            *knots,
            (0.85 * upper, horn - builder.uniform(0, 0.1)),
            (0.06, 0.2),
        ]
    else:
        right = left = [*knots, (0.7 * upper, 0.27), (0.02, 0.29)]
    first = smooth(right, 4)
    second = smooth(left, 4)[::-1] * np.array([-1.0, 1.0])
    return np.concatenate([first, second])


@category('guitar', '03467517', ('body', 'neck', 'head', 'bridge'))
def _guitar(builder: ShapeBuilder) -> None:
    electric = builder.chance(0.45)
    thick = (
        builder.uniform(0.05, 0.07) if electric else builder.uniform(0.1, 0.15)
    )
    outline = _guitar_outline(builder, electric)
    meshes = [('body', plate(outline, thick))]
    length = builder.uniform(0.42, 0.6)
    level = thick / 2
    neck = box(0.065, 0.045, length + 0.15, taper=(0.8, 1.0))
    meshes.append(('neck', neck.moved(y=level, z=0.19 + length / 2)))
    end = 0.26 + length
    head = box(0.1, 0.03, 0.17, taper=(builder.uniform(0.7, 1.3), 1.0))
    meshes.append(('head', head.moved(y=level, z=end + 0.08)))
    for row in range(3):
        peg = rod([-0.09, level, 0], [0.09, level, 0], 0.012)
        meshes.append(('head', peg.moved(z=end + 0.03 + 0.05 * row)))
    bridge = box(builder.uniform(0.1, 0.2), 0.025, 0.04)
    meshes.append(('bridge', bridge.moved(y=level + 0.01, z=-0.14)))
    if electric:
        pickup = box(0.1, 0.02, 0.035).moved(y=level + 0.01)
        meshes += [('bridge', pickup.moved(z=z)) for z in (-0.06, 0.06)]
    else:
        rose = cylinder(0.055, 0.01).moved(y=level + 0.004, z=0.08)
        meshes.append(('bridge', rose))
    for part, mesh in meshes:
        builder.add(part, mesh.turned('x', -np.pi / 2))


def _blade(builder: ShapeBuilder, length: float, width: float) -> Mesh:
    """Return a blade along +y: edge at +x, spine at -x."""
    style = builder.pick('chef', 'dagger', 'cleaver', 'table')
    thick = builder.uniform(0.012, 0.025)
    share = np.linspace(0, 1, 9)
    if style == 'chef':
        edge = width * np.sqrt(1 - share**2.2)
        spine = 0 * share
    elif style == 'dagger':
        edge = width / 2 * (1 - share**3)
        spine = -edge
    elif style == 'cleaver':
        edge = 1.5 * width * (1 - 0.1 * share)
        spine = 0 * share
    else:
        edge = 0.8 * width * np.sqrt(1 - share**6)
        spine = -0.15 * width * np.sin(np.pi * share)
    edge = np.maximum(edge, spine + 0.006)
    rings = np.empty((9, 4, 3))
    rings[..., 0] = np.stack(
        [spine, (spine + edge) / 2, edge, (spine + edge) / 2], 1
    )
    rings[..., 1] = (length * share)[:, None]
    rings[..., 2] = np.array([0, thick, 0, -thick])
    return loft(rings)


@category('knife', '03624134', ('blade', 'handle', 'guard'))
def _knife(builder: ShapeBuilder) -> None:
    length = builder.uniform(0.45, 0.9)
    width = builder.uniform(0.08, 0.18)
    blade = _blade(builder, length, width)
    grip = builder.uniform(0.3, 0.5)
    size = builder.uniform(0.05, 0.09)
    bend = builder.uniform(-0.06, 0.06)
    path = smooth([[0, 0.01, 0], [bend, -grip / 2, 0], [0, -grip, 0]], 4)
    swell = size * (0.4 + 0.12 * np.sin(np.linspace(0, np.pi, len(path))))
    handle = tube(path, swell, sides=10).scaled(1.0, 1.0, 0.7)
    meshes = [
        ('blade', blade.moved(x=-0.4 * size)),
        ('handle', handle.moved(x=0.1 * size)),
    ]
    if builder.chance(0.5):
        guard = rounded_box(
            width * builder.uniform(1.1, 2.0), 0.035, 1.2 * size
        )
        meshes.append(('guard', guard))
    if builder.chance(0.4):
        pommel = ellipsoid(size, 0.7 * size, size)
        meshes.append(('handle', pommel.moved(y=-grip)))
    for part, mesh in meshes:
        builder.add(part, mesh.turned('x', np.pi / 2).turned('z', np.pi / 2))
