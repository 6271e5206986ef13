"""Categories that move: airplane, rocket, car, skateboard."""

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
    smooth,
    stack,
)


def _fin(
    span: float,
    chords: tuple[float, float],
    *,
    sweep: float,
    thick: float,
    rise: float = 0.0,
) -> Mesh:
    """Return half a wing along +x whose root is at the origin.

    Args:
        span: Length along x.
        chords: Extent along z at the root and at the tip.
        sweep: Shift of the tip towards -z.
        thick: Thickness at the root; half of it at the tip.
        rise: Shift of the tip along y.
    """
    rings = np.empty((2, 14, 3))
    for row, (chord, scale) in enumerate(zip(chords, (1, 0.5), strict=True)):
        outline = ring(thick * scale, chord, sides=14)
        rings[row, :, 0] = row * span
        rings[row, :, 1] = outline[:, 0] + row * rise
        rings[row, :, 2] = outline[:, 1] - row * sweep
    return loft(rings)


def _fuselage(builder: ShapeBuilder, length: float, radius: float) -> Mesh:
    """Return a body of revolution along z, nose at +z."""
    nose = builder.uniform(0.1, 0.3)
    tail = builder.uniform(0.25, 0.45)
    share = builder.uniform(0.1, 0.35)
    knots = [
        (0.02 * radius, -0.5),
        (share * radius, 0.03 - 0.5),
        (radius, tail - 0.5),
        (radius, 0.5 - nose),
        (0.65 * radius, 0.5 - 0.3 * nose),
        (0.02 * radius, 0.5),
    ]
    profile = smooth(knots, 4) * np.array([1.0, length])
    profile[:, 0] = np.clip(profile[:, 0], 0.01 * radius, 1.05 * radius)
    return revolve(profile, sides=18).turned('x', np.pi / 2)


def _engines(
    builder: ShapeBuilder, radius: float, span: float, wing_y: float
) -> list[Mesh]:
    """Return engines below the wings, beside the tail, or at the nose."""
    length = builder.uniform(0.12, 0.24)
    size = builder.uniform(0.025, 0.05)
    nacelle = cylinder(0.85 * size, length, top=size).turned('x', np.pi / 2)
    style = builder.pick('wing', 'wing', 'tail', 'propeller')
    if style == 'tail':
        x = radius + size
        return [nacelle.moved(s * x, 0.5 * radius, -0.3) for s in (-1, 1)]
    places = [0.33] if builder.chance(0.6) else [0.25, 0.5]
    engines = []
    for place in places:
        for sign in (-1, 1):
            x = sign * (radius + place * span)
            engines.append(nacelle.moved(x, wing_y - size, 0.06))
            if style == 'propeller':
                blade = box(0.26, 0.02, 0.012)
                z = 0.07 + length / 2
                turn = builder.uniform(0, 1.5)
                for angle in (turn, turn + np.pi / 2):
                    engines.append(
                        blade.turned('z', angle).moved(x, wing_y - size, z)
                    )
    return engines


@category('airplane', '02691156', ('body', 'wing', 'tail', 'engine'))
def _airplane(builder: ShapeBuilder) -> None:
    length = builder.uniform(0.85, 1.2)
    radius = builder.uniform(0.045, 0.09)
    builder.add('body', _fuselage(builder, length, radius))
    jet = builder.chance(0.3)
    span = builder.uniform(0.2, 0.35) if jet else builder.uniform(0.38, 0.62)
    chord = builder.uniform(0.32, 0.5) if jet else builder.uniform(0.14, 0.26)
    tip = chord * (builder.uniform(0.1, 0.3) if jet else 0.5)
    sweep = builder.uniform(0.1, 0.3) if jet else builder.uniform(-0.02, 0.24)
    wing_y = radius * builder.uniform(-0.7, 0.9)
    wing = _fin(
        span,
        (chord, tip),
        sweep=sweep,
        thick=builder.uniform(0.02, 0.035),
        rise=builder.uniform(-0.02, 0.08),
    ).moved(x=0.6 * radius, y=wing_y, z=builder.uniform(-0.06, 0.08))
    builder.add('wing', wing, wing.mirrored('x'))
    back = -0.42 * length
    height = builder.uniform(0.14, 0.24)
    fin = _fin(height, (0.17, 0.09), sweep=0.1, thick=0.018)
    upright = fin.turned('z', np.pi / 2).moved(y=0.5 * radius, z=back)
    if jet and builder.chance(0.5):
        builder.add(
            'tail', upright.turned('z', 0.35), upright.turned('z', -0.35)
        )
    else:
        builder.add('tail', upright)
    flat = _fin(
        builder.uniform(0.14, 0.22), (0.12, 0.06), sweep=0.06, thick=0.015
    )
    high = 0.9 * height if builder.chance(0.25) else 0.3 * radius
    flat = flat.moved(y=high, z=back - (0.08 if high > radius else 0.0))
    builder.add('tail', flat, flat.mirrored('x'))
    if not jet or builder.chance(0.3):
        builder.add('engine', *_engines(builder, radius, span, wing_y))


@category('rocket', '04099429', ('body', 'nose', 'fin', 'booster', 'nozzle'))
def _rocket(builder: ShapeBuilder) -> None:
    radius = builder.uniform(0.06, 0.16)
    height = builder.uniform(0.6, 1.0)
    upper = radius * builder.uniform(0.6, 1.0)
    step = builder.uniform(0.5, 0.8) * height
    profile = [(radius, 0), (radius, step), (upper, step + 0.05),
               (upper, height)]  # fmt: skip
    builder.add('body', revolve(profile, sides=20))
    tip = builder.uniform(0.12, 0.35)
    share = np.linspace(0, 1, 7)
    curve = upper * (1 - share ** builder.uniform(1.0, 2.4))
    nose = np.stack([np.maximum(curve, 0.002), height + tip * share], axis=1)
    builder.add('nose', revolve(nose, sides=20))
    num_fins = builder.count(3, 5)
    span = builder.uniform(0.08, 0.22)
    fin = _fin(
        span,
        (builder.uniform(0.18, 0.34), builder.uniform(0.06, 0.16)),
        sweep=builder.uniform(0.0, 0.15),
        thick=0.025,
    )
    fin = fin.turned('x', -np.pi / 2).moved(x=0.9 * radius, y=0.14)
    if builder.chance(0.85):
        for index in range(num_fins):
            angle = 2 * np.pi * index / num_fins
            builder.add('fin', fin.turned('y', angle))
    if builder.chance(0.35):
        size = radius * builder.uniform(0.35, 0.6)
        long = builder.uniform(0.35, 0.7) * height
        booster = revolve(
            [(size, 0), (size, long), (0.5 * size, long + size),
             (0.01, long + 2 * size)]
        ).moved(x=radius + size)  # fmt: skip
        for index in range(builder.count(2, 4)):
            builder.add(
                'booster', booster.turned('y', 0.6 + index * np.pi / 2)
            )
    bell = cylinder(0.8 * radius, 0.1, top=0.35 * radius)
    builder.add('nozzle', bell.moved(y=-0.05))


def _wheels(
    builder: ShapeBuilder,
    track: float,
    base: float,
    radius: float,
    width: float,
) -> list[Mesh]:
    """Return four wheels on y = 0, axles along x."""
    wheel = cylinder(radius, width).turned('z', np.pi / 2)
    lag = builder.uniform(-0.04, 0.04) * base
    return [
        wheel.moved(sign * track / 2, radius, end * base / 2 + lag)
        for sign in (-1, 1)
        for end in (-1, 1)
    ]


_CABINS = {  # start, end at the belt and at the roof, as shares of length
    'sedan': (-0.36, 0.22, -0.2, 0.05),
    'hatchback': (-0.46, 0.2, -0.4, 0.02),
    'estate': (-0.48, 0.22, -0.45, 0.04),
    'van': (-0.49, 0.4, -0.48, 0.26),
    'pickup': (-0.08, 0.24, -0.05, 0.08),
    'sports': (-0.36, 0.16, -0.14, -0.02),
}


@category('car', '02958343', ('body', 'cabin', 'wheel', 'trim'))
def _car(builder: ShapeBuilder) -> None:
    style = builder.pick(*_CABINS)
    length = builder.uniform(1.25, 1.7)
    width = builder.uniform(0.55, 0.7)
    clear = builder.uniform(0.08, 0.16)
    belt = builder.uniform(0.2, 0.32) * (0.8 if style == 'sports' else 1.0)
    roof = builder.uniform(0.16, 0.28) * (1.4 if style == 'van' else 1.0)
    nose = builder.uniform(0.6, 1.0)
    sections = []
    for z, scale, tall in (
        (-0.5, 0.9, 0.75), (-0.44, 1.0, 1.0), (0.15, 1.0, 1.0),
        (0.42, 0.98, 0.55 + 0.4 * nose), (0.5, 0.88, 0.55 * nose),
    ):  # fmt: skip
        outline = ring(width * scale, belt, power=7)
        outline[:, 1] = (outline[:, 1] + belt / 2) * tall + clear
        sections.append(np.insert(outline, 2, z * length, axis=1))
    builder.add('body', loft(np.array(sections)))
    back, front, roof_back, roof_front = (length * at for at in _CABINS[style])
    rows = []
    for y, low, high, scale in (
        (clear + 0.9 * belt, back, front, 0.95),
        (clear + belt + roof, roof_back, roof_front, 0.76),
    ):
        outline = ring(width * scale, high - low, power=8)
        ring_points = np.insert(outline, 1, y, axis=1)
        ring_points[:, 2] += (low + high) / 2
        rows.append(ring_points)
    builder.add('cabin', loft(np.array(rows)))
    if style == 'pickup':
        for x in (-0.46 * width, 0.46 * width):
            side = box(0.04, 0.1, 0.4 * length)
            builder.add(
                'body', side.moved(x, clear + belt + 0.04, -0.29 * length)
            )
    radius = builder.uniform(0.11, 0.165)
    builder.add(
        'wheel',
        *_wheels(builder, 0.92 * width, 0.6 * length, radius, 0.12),
    )
    if builder.chance(0.5):
        bumper = box(0.95 * width, 0.06, 0.05).moved(y=clear + 0.06)
        builder.add('trim', bumper.moved(z=0.51 * length))
        builder.add('trim', bumper.moved(z=-0.51 * length))
    if style == 'sports' and builder.chance(0.6):
        spoiler = box(0.9 * width, 0.02, 0.12)
        y = clear + belt + 0.1
        builder.add('trim', spoiler.moved(y=y, z=-0.45 * length))
        for x in (-0.3 * width, 0.3 * width):
            post = box(0.03, 0.13, 0.03)
            builder.add('trim', post.moved(x, y - 0.06, -0.45 * length))


@category('skateboard', '04225987', ('deck', 'truck', 'wheel'))
def _skateboard(builder: ShapeBuilder) -> None:
    length = builder.uniform(0.8, 1.2)
    width = builder.uniform(0.2, 0.32)
    thick = builder.uniform(0.018, 0.035)
    kick = builder.uniform(0.0, 0.12)
    pointed = builder.chance(0.3)
    sections = []
    for at in np.linspace(-1, 1, 13):
        end = max(0.0, abs(at) - 0.62) / 0.38
        round_off = np.sqrt(max(0.0, 1 - end ** (1.5 if pointed else 4)))
        wide = width * max(round_off, 0.08)
        outline = ring(wide, thick, power=8, sides=12)
        outline[:, 1] += 0.17 + kick * end**1.6
        sections.append(np.insert(outline, 2, at * length / 2, axis=1))
    builder.add('deck', loft(np.array(sections)))
    radius = builder.uniform(0.035, 0.06)
    track = width * builder.uniform(0.65, 0.95)
    wheel = cylinder(radius, 0.06).turned('z', np.pi / 2)
    for z in (-0.32 * length, 0.32 * length):
        axle = rod([-track / 2, radius, z], [track / 2, radius, z], 0.015)
        hanger = box(0.5 * track, 0.16 - radius, 0.07, taper=(0.6, 1.4))
        builder.add('truck', axle, hanger.moved(y=radius / 2 + 0.08, z=z))
        for x in (-track / 2, track / 2):
            builder.add('wheel', wheel.moved(x, radius, z))
    if builder.chance(0.2):
        pad = plate(ring(0.8 * width, 0.3 * length, power=6), 0.01)
        builder.add('deck', pad.moved(y=0.17 + thick / 2 + 0.004))
    if builder.chance(0.15):
        bar = stack([(0.18, 0.03, 0.03), (0.75, 0.03, 0.03)])
        grip = rod([-0.16, 0.74, 0], [0.16, 0.74, 0], 0.018)
        builder.add('truck', bar.moved(z=0.4 * length))
        builder.add('truck', grip.moved(z=0.4 * length))
    if builder.chance(0.3):
        bolt = ellipsoid(0.03, 0.02, 0.03).moved(y=0.19 + thick / 2)
        builder.add('truck', bolt.moved(z=-0.3 * length))
