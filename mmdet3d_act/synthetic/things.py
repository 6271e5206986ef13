"""Vessels, devices, vehicles and other things that are no furniture."""

from __future__ import annotations

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
    revolve,
    ring,
    rod,
    row,
    skin,
    smooth,
    stack,
    tube,
    vessel,
)


def _ear(draw: Draw, reach: float, height: float, radius: float) -> Solid:
    """Draw a handle in the xy plane whose ends are at x = 0."""
    share = draw(0.5, 1.0)
    knots = [(-0.03, -1), (share, -0.9), (1, 0), (share, 0.9), (-0.03, 1)]
    path = [(reach * x, y * height / 2, 0.0) for x, y in knots]
    return tube(smooth(path), radius)


@category('mug', '03797390', 'body handle')
def _mug(draw: Draw) -> None:
    radius, height = draw(0.28, 0.45), draw(0.55, 1.05)
    foot = radius * draw(0.65, 1.05)
    middle = (foot + radius) / 2 + draw(-0.06, 0.1)
    outer = smooth([(foot, 0.0), (middle, height / 2), (radius, height)])
    draw.add('body', vessel(outer, draw(0.025, 0.05)))
    tall = height * draw(0.45, 0.75)
    ear = _ear(draw, draw(0.16, 0.32), tall, draw(0.025, 0.05))
    draw.add('handle', ear.at(middle - 0.02, height * draw(0.42, 0.55)))


@category('bottle', '02876657', 'body neck cap')
def _bottle(draw: Draw) -> None:
    radius, height, shoulder = draw(0.14, 0.3), draw(0.45, 0.8), draw(0.1, 0.3)
    neck, flat = radius * draw(0.22, 0.5), draw.pick(1.0, 1.0, 0.6)
    profile = [(0.9 * radius, 0.0), (radius, 0.04), (radius, height),
               (0.8 * radius, height + shoulder / 2),
               (neck, height + shoulder)]  # fmt: skip
    body = revolve(profile, draw.pick(6, 20, 20))
    draw.add('body', body.scaled(1.0, 1.0, flat))
    tall, lid = draw(0.06, 0.35), draw(0.05, 0.12)
    tube_end = cylinder(neck, tall).at(y=height + shoulder + tall / 2)
    draw.add('neck', tube_end)
    if draw.chance(0.75):
        cap = cylinder(neck * draw(1.05, 1.35), lid)
        draw.add('cap', cap.at(y=height + shoulder + tall))


@category('vase', '99000003', 'body foot handle')
def _vase(draw: Draw) -> None:
    height = draw(0.7, 1.3)
    radii = [draw(0.12, 0.3), draw(0.15, 0.45), draw(0.07, 0.25),
             draw(0.1, 0.32)]  # fmt: skip
    levels = np.array([0, 0.4, 0.82, 1.0]) * height
    outer = smooth(np.stack([radii, levels], axis=1), 6)
    draw.add('body', vessel(outer, 0.025))
    if draw.chance(0.4):
        foot = cylinder(radii[0] * draw(0.9, 1.4), draw(0.04, 0.12), radii[0])
        draw.add('foot', foot.at(y=-0.02))
    if draw.chance(0.4):
        ear = _ear(draw, draw(0.12, 0.22), draw(0.25, 0.4) * height, 0.022)
        draw.add('handle', pair(ear.at(radii[2] + 0.02, 0.72 * height)))


@category('bowl', '02880940', 'body foot handle')
def _bowl(draw: Draw) -> None:
    radius, share = draw(0.4, 0.6), np.linspace(0, 1, 9)
    height, foot = radius * draw(0.45, 1.1), radius * draw(0.3, 0.6)
    radii = foot + (radius - foot) * share ** draw(0.4, 0.9)
    outer = np.stack([radii, height * share], axis=1)
    draw.add('body', vessel(outer, draw(0.02, 0.05)))
    if draw.chance(0.5):
        base = cylinder(foot * draw(0.8, 1.2), draw(0.03, 0.12), foot)
        draw.add('foot', base.at(y=-0.02))
    if draw.chance(0.25):
        ear = _ear(draw, 0.14, 0.2 * radius + 0.08, 0.025)
        ear = ear.turned('x', np.pi / 2).at(0.97 * radius, 0.85 * height)
        draw.add('handle', pair(ear))


@category('bathtub', '02808440', 'tub foot tap')
def _bathtub(draw: Draw) -> None:
    size = [draw(0.4, 0.62), draw(1.3, 1.8), draw(0.6, 0.85)]
    height, length, width = size
    slope, lift = draw(0.72, 1.0), draw.pick(0.0, 0.12)
    rows = [(0.0, slope, slope), (0.85, 1.0, 1.0), (1.0, 1.05, 1.08),
            (1.0, 0.95, 0.9), (0.5, 0.87, 0.8),
            (0.2, 0.65, 0.5)]  # fmt: skip
    tub = stack(np.array(rows) * size, draw(2.0, 9.0), sides=32)
    draw.add('tub', tub.at(y=lift))
    if lift:
        foot = ball(0.1, 2.4 * lift, 0.1)
        foot = foot.at(0.3 * length, 0.6 * lift, 0.3 * width)
        draw.add('foot', four(foot))
    if draw.chance(0.6):
        x, high = 0.48 * length, draw(0.08, 0.25)
        knots = [(x, 0, 0), (x, high, 0), (x - 0.06, 1.2 * high, 0),
                 (x - 0.16, high, 0)]  # fmt: skip
        spout = tube(smooth(knots), 0.025)
        draw.add('tap', spout.at(y=lift + height))


def _fin(
    span: float, root: float, tip: float, sweep: float, thick: float
) -> Solid:
    """Make half a wing along +x; its tip is back by sweep."""
    end = ring(thick / 2, tip, sides=14, center=(0, -sweep))
    return skin([ring(thick, root, sides=14), end], [0.0, span], 'x')


@category('airplane', '02691156', 'body wing tail engine')
def _airplane(draw: Draw) -> None:
    length, radius, jet = draw(0.85, 1.2), draw(0.045, 0.09), draw.chance(0.3)
    nose, tail = draw(0.1, 0.3), draw(0.25, 0.45)
    knots = [(0.02, -0.5), (draw(0.1, 0.35), -0.47), (1.0, tail - 0.5),
             (1.0, 0.5 - nose), (0.65, 0.5 - 0.3 * nose),
             (0.02, 0.5)]  # fmt: skip
    body = revolve(smooth(knots) * [radius, length])
    draw.add('body', body.turned('x', np.pi / 2))
    span, chord, sweep = draw(0.38, 0.62), draw(0.14, 0.26), draw(0.0, 0.24)
    if jet:
        span, chord, sweep = draw(0.2, 0.35), draw(0.32, 0.5), draw(0.1, 0.3)
    wing, y = _fin(span, chord, chord / 2, sweep, 0.03), draw(-0.7, 0.9)
    wing = wing.turned('z', draw(-0.04, 0.14))
    draw.add(
        'wing', pair(wing.at(0.6 * radius, y * radius, draw(-0.06, 0.08)))
    )
    back, height = -0.42 * length, draw(0.14, 0.24)
    fin = _fin(height, 0.17, 0.09, 0.1, 0.018).turned('z', np.pi / 2)
    draw.add('tail', fin.at(y=0.5 * radius, z=back))
    flat = _fin(draw(0.14, 0.22), 0.12, 0.06, 0.06, 0.015)
    high = draw.pick(0.3 * radius, 0.3 * radius, 0.9 * height)
    draw.add('tail', pair(flat.at(y=high, z=back - 0.3 * high)))
    if jet and draw.chance(0.7):
        return
    long, size = draw(0.12, 0.24), draw(0.025, 0.05)
    engine = cylinder(0.85 * size, long, size).turned('x', np.pi / 2)
    if draw.chance(0.3):
        blade = box(0.26, 0.02, 0.012).turned('z', draw(0, 1.5))
        blades = join(blade, blade.turned('z', np.pi / 2))
        engine = join(engine, blades.at(z=0.01 + long / 2))
    for place in draw.pick([0.33], [0.25, 0.5]):
        at = (radius + place * span, y * radius - size, 0.06)
        draw.add('engine', pair(engine.at(*at)))


@category('rocket', '04099429', 'body nose fin booster nozzle')
def _rocket(draw: Draw) -> None:
    radius, height = draw(0.06, 0.16), draw(0.6, 1.0)
    upper, step = radius * draw(0.6, 1.0), draw(0.5, 0.8) * height
    profile = [(radius, 0), (radius, step), (upper, step + 0.05),
               (upper, height)]  # fmt: skip
    draw.add('body', revolve(profile))
    tip, share = draw(0.12, 0.35), np.linspace(0, 0.98, 7)
    curve = upper * (1 - share ** draw(1.0, 2.4))
    nose = revolve(np.stack([curve, height + tip * share], axis=1))
    draw.add('nose', nose)
    if draw.chance(0.85):
        chords = draw(0.18, 0.34), draw(0.06, 0.16)
        fin = _fin(draw(0.08, 0.22), *chords, draw(0.0, 0.15), 0.025)
        fin = fin.turned('x', -np.pi / 2).at(0.9 * radius, 0.14)
        draw.add('fin', around(fin, draw.count(3, 5)))
    if draw.chance(0.35):
        size, long = radius * draw(0.35, 0.6), draw(0.35, 0.7) * height
        profile = [(size, 0), (size, long), (0.01, long + 2 * size)]
        booster = revolve(profile).at(x=radius + size).turned('y', 0.6)
        draw.add('booster', around(booster, draw.count(2, 4)))
    draw.add('nozzle', cylinder(0.8 * radius, 0.1, 0.35 * radius).at(y=-0.05))


@category('car', '02958343', 'body cabin wheel trim')
def _car(draw: Draw) -> None:
    length, width, clear = draw(1.25, 1.7), draw(0.55, 0.7), draw(0.08, 0.16)
    belt, roof = draw(0.2, 0.32), draw(0.16, 0.36)
    body = cushion(width, belt, length, 8, 0.3).at(y=clear + belt / 2)
    draw.add('body', body)
    # Saloon, estate, van and pickup differ in length and place of the cabin.
    share, z = draw.pick(
        (0.58, -0.07), (0.7, -0.13), (0.88, -0.05), (0.32, 0.1)
    )
    cabin = box(0.9 * width, roof, share * length, (0.8, draw(0.5, 0.9)))
    draw.add('cabin', cabin.at(y=clear + belt + roof / 2, z=z * length))
    radius = draw(0.11, 0.165)
    wheel = cylinder(radius, 0.12).turned('z', np.pi / 2)
    draw.add('wheel', four(wheel.at(0.46 * width, radius, 0.3 * length)))
    if draw.chance(0.5):
        bumper = box(0.95 * width, 0.06, 0.05)
        draw.add('trim', pair(bumper.at(0, clear + 0.06, 0.51 * length), 'z'))


@category('skateboard', '04225987', 'deck truck wheel')
def _skateboard(draw: Draw) -> None:
    length, width, thick = draw(0.8, 1.2), draw(0.2, 0.32), draw(0.018, 0.035)
    kick, along = draw(0.0, 0.12), np.linspace(-1, 1, 13)
    end = np.maximum(0.0, np.abs(along) - 0.62) / 0.38
    wide = width * np.maximum(np.sqrt(1 - end**4), 0.08)
    rows = [
        ring(side, thick, 8, 12, (0, 0.17 + kick * lift))
        for side, lift in zip(wide, end**1.6, strict=True)
    ]
    draw.add('deck', skin(rows, along * length / 2, 'z'))
    radius, track = draw(0.035, 0.06), width * draw(0.65, 0.95)
    z = 0.32 * length
    axle = rod((-track / 2, radius, z), (track / 2, radius, z), 0.015)
    hanger = box(0.5 * track, 0.16 - radius, 0.07)
    hanger = hanger.at(y=radius / 2 + 0.08, z=z)
    draw.add('truck', pair(axle, 'z'), pair(hanger, 'z'))
    wheel = cylinder(radius, 0.06).turned('z', np.pi / 2)
    draw.add('wheel', four(wheel.at(track / 2, radius, z)))


@category('display', '03211117', 'screen frame neck base')
def _display(draw: Draw) -> None:
    width, thick, rise = draw(0.7, 1.3), draw(0.03, 0.09), draw(0.12, 0.35)
    height, edge = width * draw(0.45, 0.8), draw(0.02, 0.07)
    tilt = draw(-0.15, 0.05)
    panel = box(width - edge, height - edge, 0.7 * thick)
    border = frame(width, height, edge, thick).at(y=-height / 2)
    for part, solid in (('screen', panel), ('frame', border)):
        draw.add(part, solid.turned('x', tilt).at(y=rise + height / 2))
    reach = draw(0.15, 0.3)
    if draw.chance(0.3):
        x = 0.35 * width
        draw.add('neck', pair(box(0.04, rise, 0.04).at(x, rise / 2)))
        draw.add('base', pair(box(0.05, 0.03, 0.36).at(x, 0.015)))
        return
    neck = box(draw(0.06, 0.2), rise + 0.15, 0.05)
    draw.add('neck', neck.at(y=rise / 2 + 0.075, z=-0.05))
    foot = ring(2 * reach * width, draw(0.22, 0.36), draw.pick(2, 9))
    draw.add('base', plate(foot, 0.03).at(y=0.015))


@category('laptop', '03642806', 'base screen keyboard')
def _laptop(draw: Draw) -> None:
    width, thick, soft = draw(0.8, 1.1), draw(0.025, 0.12), draw(5, 12)
    depth = width * draw(0.55, 0.85)
    draw.add('base', cushion(width, thick, depth, soft).at(y=thick / 2))
    key = box(0.8 * width / 10, 0.02, 0.3 * depth)
    draw.add(
        'keyboard', row(key, 10, 0.9 * width).at(y=thick, z=-0.12 * depth)
    )
    lid = cushion(width, 0.6 * thick, depth, soft).at(z=depth / 2)
    lid = lid.turned('x', -np.deg2rad(draw(25, 165)))
    draw.add('screen', lid.at(y=thick, z=-depth / 2))


@category('lamp', '03636649', 'base pole shade bulb')
def _lamp(draw: Draw) -> None:
    size = draw(0.14, 0.32)
    style = draw.pick('floor', 'table', 'arm', 'hanging')
    height = draw(1.0, 1.5) if style == 'floor' else draw(0.4, 0.8)
    tall, share = size * draw(0.6, 1.5), np.linspace(0, 0.98, 7)
    dome = np.sqrt(1 - share**2)
    radii = size * draw.pick(1 - share * draw(0.0, 0.75), dome)
    shade = vessel(np.stack([radii, tall * share], axis=1)[::-1], 0.02)
    bulb = ball(0.4 * size, 0.5 * size, 0.4 * size).at(y=0.3 * tall)
    head, foot = (0.0, height - 0.3 * tall, 0.0), cylinder(0.16, 0.04, 0.1)
    if style == 'hanging':
        head, foot = (0.0, -0.7 * tall, 0.0), foot.at(y=height)
    pole = [(0.0, 0.0, 0.0), (0.0, height, 0.0)]
    if style == 'arm':
        head = (0.0, height + draw(-0.1, 0.2), 0.28)
        pole = [pole[0], (0.0, height, -0.22), head]
        shade = shade.scaled(0.7, 0.7, 0.7).turned('x', -draw(0.2, 0.9))
    draw.add('base', foot)
    draw.add('pole', tube(pole, draw(0.012, 0.03)))
    draw.add('shade', shade.at(*head))
    draw.add('bulb', bulb.at(*head))


@category('cap', '02954340', 'crown brim button')
def _cap(draw: Draw) -> None:
    width, height = draw(0.75, 0.95), draw(0.4, 0.65)
    depth, share = width * draw(1.0, 1.25), np.linspace(0, 0.99, 10)
    dome = 0.5 * (1 - share ** draw(1.8, 3.0)) ** 0.5
    crown = revolve(np.stack([dome, share], axis=1))
    draw.add('crown', crown.scaled(width, height, depth))
    if draw.chance(0.4):
        wide, band = draw(1.35, 1.9), cylinder(0.51, 0.15).at(y=0.1)
        brim = plate(ring(wide * width, wide * depth), 0.025)
        draw.add('brim', brim)
        draw.add('button', band.scaled(width, height, depth))
        return
    # A peak, which is an ellipse whose back half is below the crown.
    peak = plate(ring(0.95 * width, 2 * draw(0.35, 0.5)), 0.03)
    draw.add('brim', peak.turned('x', draw(0.0, 0.25)).at(z=0.4 * depth))
    draw.add('button', ball(0.08, 0.05, 0.08).at(y=height))


@category('guitar', '03467517', 'body neck head bridge')
def _guitar(draw: Draw) -> None:
    electric, length = draw.chance(0.45), draw(0.42, 0.6)
    thick = draw(0.05, 0.07) if electric else draw(0.1, 0.15)
    lower = draw(0.19, 0.24)
    waist, upper = lower * draw(0.5, 0.7), lower * draw(0.7, 0.92)
    top = draw(0.27, 0.34) if electric else 0.29
    right = smooth([(0.02, -0.3), (0.8 * lower, -0.25), (lower, -0.11),
                    (waist, 0.06), (upper, 0.19), (0.8 * upper, top),
                    (0.02, 0.25)])  # fmt: skip
    outline = np.concatenate([right, right[::-1] * [-1.0, 1.0]])
    end = 0.26 + length
    neck = box(0.06, 0.045, length + 0.15).at(z=0.19 + length / 2)
    peg = rod((-0.09, 0, end + 0.08), (0.09, 0, end + 0.08), 0.012)
    head = box(0.1 * draw(0.8, 1.2), 0.03, 0.17).at(z=end + 0.08)
    bridge = box(draw(0.1, 0.2), 0.035, 0.04).at(z=-0.14)
    middle = box(0.1, 0.03, 0.035) if electric else cylinder(0.055, 0.02)
    for part, solid in (
        ('body', plate(outline, thick).at(y=-thick / 2)),
        ('neck', neck),
        ('head', join(head, peg, peg.at(z=0.05))),
        ('bridge', join(bridge, middle.at(z=0.06))),
    ):
        draw.add(part, solid.turned('x', -np.pi / 2))


@category('knife', '03624134', 'blade handle guard')
def _knife(draw: Draw) -> None:
    length, width, thick = (
        draw(0.45, 0.9),
        draw(0.08, 0.18),
        draw(0.012, 0.025),
    )
    grip, size, share = draw(0.3, 0.5), draw(0.05, 0.09), np.linspace(0, 1, 9)
    dagger = (1.05 - share**3) / 2
    edge, spine = draw.pick(
        (np.sqrt(1.05 - share**2.2), 0 * share),
        (dagger, -dagger),
        (1.5 - 0.15 * share, 0 * share),
    )
    edge, spine, flat = width * edge, width * spine, 0 * share
    middle = (edge + spine) / 2
    corners = [(spine, flat), (middle, flat + thick), (edge, flat),
               (middle, flat - thick)]  # fmt: skip
    blade = skin(list(np.moveaxis(np.array(corners), 2, 0)), length * share)
    bend = draw(-0.06, 0.06)
    path = smooth([(0, 0.01, 0), (bend, -grip / 2, 0), (0, -grip, 0)])
    handle = tube(path, 0.45 * size, 10).scaled(1.0, 1.0, 0.7)
    parts = [('blade', blade.at(x=-0.4 * size)), ('handle', handle)]
    if draw.chance(0.5):
        guard = cushion(width * draw(1.1, 2.0), 0.035, 1.2 * size)
        parts.append(('guard', guard))
    for part, solid in parts:
        solid = solid.turned('x', np.pi / 2)
        draw.add(part, solid.turned('z', np.pi / 2))
