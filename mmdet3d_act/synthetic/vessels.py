"""Hollow categories: mug, bottle, vase, bowl, bathtub."""

from __future__ import annotations

import numpy as np

from .category import ShapeBuilder, category
from .mesh import Mesh
from .primitives import (
    box,
    cylinder,
    ellipsoid,
    hollow,
    loft,
    revolve,
    ring,
    rod,
    smooth,
    stack,
    tube,
)


def _handle(
    builder: ShapeBuilder, reach: float, height: float, radius: float
) -> Mesh:
    """Return an ear in the xy plane whose ends are at x = 0."""
    style = builder.pick('round', 'square', 'ear')
    half = height / 2
    knots = {
        'round': [(-0.03, -half), (0.75, -0.8 * half), (1, 0),
                  (0.75, 0.8 * half), (-0.03, half)],
        'square': [(-0.03, -half), (0.9, -half), (1, -0.8 * half),
                   (1, 0.8 * half), (0.9, half), (-0.03, half)],
        'ear': [(-0.03, -half), (0.5, -0.6 * half), (1, 0.4 * half),
                (0.6, half), (-0.03, 0.8 * half)],
    }[style]  # fmt: skip
    path = np.array([(reach * x, y, 0.0) for x, y in knots])
    return tube(smooth(path, 4), radius)


@category('mug', '03797390', ('body', 'handle'))
def _mug(builder: ShapeBuilder) -> None:
    radius = builder.uniform(0.28, 0.45)
    height = builder.uniform(0.55, 1.05)
    bulge = builder.uniform(-0.06, 0.1)
    foot = radius * builder.uniform(0.65, 1.05)
    knots = [
        (foot, 0.0),
        ((foot + radius) / 2 + bulge, height / 2),
        (radius, height),
    ]
    outer = smooth(knots, 4)
    body = revolve(hollow(outer, builder.uniform(0.025, 0.05)))
    builder.add('body', body)
    tall = height * builder.uniform(0.45, 0.75)
    reach = builder.uniform(0.16, 0.32)
    ear = _handle(builder, reach, tall, builder.uniform(0.025, 0.05))
    at = (foot + radius) / 2 + 0.8 * bulge
    builder.add(
        'handle',
        ear.moved(x=at - 0.01, y=height * builder.uniform(0.42, 0.55)),
    )


@category('bottle', '02876657', ('body', 'neck', 'cap'))
def _bottle(builder: ShapeBuilder) -> None:
    radius = builder.uniform(0.14, 0.3)
    height = builder.uniform(0.45, 0.8)
    neck = radius * builder.uniform(0.22, 0.5)
    shoulder = builder.uniform(0.06, 0.3)
    waist = builder.uniform(0.8, 1.0) if builder.chance(0.3) else 1.0
    flat = builder.uniform(0.45, 0.75) if builder.chance(0.25) else 1.0
    power = 6.0 if builder.chance(0.3) else 2.0
    levels = [
        (0.0, 0.9 * radius),
        (0.04, radius),
        (0.5 * height, waist * radius),
        (height, radius),
        (height + 0.4 * shoulder, radius * builder.uniform(0.7, 0.95)),
        (height + shoulder, neck),
    ]
    body = stack([(y, 2 * r, 2 * r * flat) for y, r in levels], power=power)
    builder.add('body', body)
    start = height + shoulder
    tall = builder.uniform(0.06, 0.35)
    flare = neck * builder.uniform(0.8, 1.0)
    builder.add(
        'neck', cylinder(neck, tall, top=flare).moved(y=start + tall / 2)
    )
    if builder.chance(0.75):
        lid = builder.uniform(0.05, 0.12)
        cap = cylinder(flare * builder.uniform(1.05, 1.35), lid)
        builder.add('cap', cap.moved(y=start + tall + 0.3 * lid))


@category('vase', '99000003', ('body', 'foot', 'handle'))
def _vase(builder: ShapeBuilder) -> None:
    height = builder.uniform(0.7, 1.3)
    radii = [
        builder.uniform(0.12, 0.3),
        builder.uniform(0.15, 0.45),
        builder.uniform(0.15, 0.45),
        builder.uniform(0.07, 0.25),
        builder.uniform(0.1, 0.32),
    ]
    places = np.array([0, 0.3, 0.6, 0.82, 1.0]) * height
    outer = smooth(np.stack([radii, places], axis=1), 5)
    outer[:, 0] = np.maximum(outer[:, 0], 0.05)
    builder.add('body', revolve(hollow(outer, 0.025)))
    if builder.chance(0.4):
        tall = builder.uniform(0.04, 0.12)
        wide = radii[0] * builder.uniform(0.9, 1.4)
        foot = cylinder(wide, tall, top=0.9 * radii[0])
        builder.add('foot', foot.moved(y=-tall / 2))
    if builder.chance(0.4):
        reach = builder.uniform(0.12, 0.22)
        tall = builder.uniform(0.25, 0.4) * height
        ear = _handle(builder, reach, tall, 0.022)
        right = ear.moved(x=radii[3] + 0.02, y=0.72 * height)
        builder.add('handle', right)
        if builder.chance(0.7):
            builder.add('handle', right.mirrored('x'))


@category('bowl', '02880940', ('body', 'foot', 'handle'))
def _bowl(builder: ShapeBuilder) -> None:
    radius = builder.uniform(0.4, 0.6)
    height = radius * builder.uniform(0.45, 1.1)
    foot = radius * builder.uniform(0.3, 0.6)
    power = builder.uniform(0.4, 0.9)
    share = np.linspace(0, 1, 9)
    outer = np.stack(
        [foot + (radius - foot) * share**power, height * share], axis=1
    )
    if builder.chance(0.3):
        lip = [radius * builder.uniform(1.08, 1.25), 1.02 * height]
        outer = np.concatenate([outer, [lip]])
    builder.add('body', revolve(hollow(outer, builder.uniform(0.02, 0.05))))
    if builder.chance(0.5):
        tall = builder.uniform(0.03, 0.12)
        base = cylinder(foot * builder.uniform(0.8, 1.2), tall, top=foot)
        builder.add('foot', base.moved(y=-tall / 2))
    if builder.chance(0.25):
        ear = _handle(builder, 0.14, 0.2 * radius + 0.08, 0.025)
        flat = ear.turned('x', np.pi / 2).moved(x=0.97 * radius)
        right = flat.moved(y=0.85 * height)
        builder.add('handle', right, right.mirrored('x'))


def _tub(
    builder: ShapeBuilder, length: float, width: float, height: float
) -> Mesh:
    """Return an open trough with a rim, its floor at y = 0."""
    power = builder.uniform(2.0, 9.0)
    inner_power = builder.uniform(2.0, 5.0)
    slope = builder.uniform(0.72, 1.0)
    wall = builder.uniform(0.05, 0.1)
    rim = builder.uniform(0.0, 0.06)
    outside = [
        (0.0, slope * length, slope * width, power),
        (0.85 * height, length, width, power),
        (0.9 * height, length + rim, width + rim, power),
        (height, length + rim, width + rim, power),
    ]
    inside = [
        (height, length - wall, width - wall, inner_power),
        (0.5 * height, 0.92 * length - wall, 0.9 * width - wall, inner_power),
        (0.2 * height, 0.7 * length, 0.6 * width, inner_power),
    ]
    rings = np.empty((7, 32, 3))
    for row, (y, wide, deep, shape) in enumerate(outside + inside):
        outline = ring(wide, deep, power=shape, sides=32)
        rings[row] = np.stack(
            [outline[:, 0], np.full(32, y), outline[:, 1]], axis=1
        )
    return loft(rings)


@category('bathtub', '02808440', ('tub', 'foot', 'tap'))
def _bathtub(builder: ShapeBuilder) -> None:
    length = builder.uniform(1.3, 1.8)
    width = builder.uniform(0.6, 0.85)
    height = builder.uniform(0.4, 0.62)
    tub = _tub(builder, length, width, height)
    lift = builder.uniform(0.08, 0.16) if builder.chance(0.45) else 0.0
    builder.add('tub', tub.moved(y=lift))
    if lift:
        foot = ellipsoid(0.1, 2.4 * lift, 0.1)
        for x in (-0.3 * length, 0.3 * length):
            for z in (-0.3 * width, 0.3 * width):
                builder.add('foot', foot.moved(x, 0.6 * lift, z))
    if builder.chance(0.6):
        top = lift + height
        high = builder.uniform(0.08, 0.25)
        path = [[0, 0, 0], [0, high, 0], [-0.06, 1.2 * high, 0],
                [-0.16, high, 0]]  # fmt: skip
        spout = tube(smooth(path, 4), 0.025)
        x = 0.48 * length
        builder.add('tap', spout.moved(x=x, y=top))
        knob = rod([x, top, 0], [x, top + 0.06, 0], 0.03)
        builder.add('tap', knob.moved(z=0.12), knob.moved(z=-0.12))
    if builder.chance(0.2):
        panel = box(length, 0.95 * height, 0.05)
        builder.add('tub', panel.moved(y=lift + height / 2, z=width / 2))
