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
    loft,
    pair,
    plate,
    revolve,
    ring,
    rod,
    skin,
    smooth,
    stack,
    tube,
    vessel,
)


def _ear(draw: Draw, reach: float, height: float, radius: float) -> Solid:
    """Draw a handle in the xy plane whose ends are at x = 0."""
    knots = draw.pick(
        [(-0.03, -1), (0.75, -0.8), (1, 0), (0.75, 0.8), (-0.03, 1)],
        [(-0.03, -1), (0.9, -1), (1, -0.8), (1, 0.8), (0.9, 1), (-0.03, 1)],
        [(-0.03, -1), (0.5, -0.6), (1, 0.4), (0.6, 1), (-0.03, 0.8)],
    )
    path = [(reach * x, y * height / 2, 0.0) for x, y in knots]
    return tube(smooth(path), radius)


@category('mug', '03797390', 'body handle')
def _mug(draw: Draw) -> None:
    radius, height = draw(0.28, 0.45), draw(0.55, 1.05)
    foot, bulge = radius * draw(0.65, 1.05), draw(-0.06, 0.1)
    middle = (foot + radius) / 2 + bulge
    outer = smooth([(foot, 0.0), (middle, height / 2), (radius, height)])
    draw.add('body', vessel(outer, draw(0.025, 0.05)))
    tall = height * draw(0.45, 0.75)
    ear = _ear(draw, draw(0.16, 0.32), tall, draw(0.025, 0.05))
    draw.add('handle', ear.at(middle - 0.02, height * draw(0.42, 0.55)))


@category('bottle', '02876657', 'body neck cap')
def _bottle(draw: Draw) -> None:
    radius, height, shoulder = (
        draw(0.14, 0.3),
        draw(0.45, 0.8),
        draw(0.06, 0.3),
    )
    neck, waist = radius * draw(0.22, 0.5), draw(0.85, 1.0) * radius
    flat = draw.pick(1.0, 1.0, 1.0, draw(0.45, 0.75))
    start = height + shoulder
    sloped = radius * draw(0.7, 0.95)
    rows = [(0.0, 0.9 * radius), (0.04, radius), (0.5 * height, waist),
            (height, radius), (height + 0.4 * shoulder, sloped),
            (start, neck)]  # fmt: skip
    levels = [(y, 2 * r, 2 * r * flat) for y, r in rows]
    draw.add('body', stack(levels, draw.pick(2.0, 2.0, 6.0)))
    tall, flare = draw(0.06, 0.35), neck * draw(0.8, 1.0)
    draw.add('neck', cylinder(neck, tall, flare).at(y=start + tall / 2))
    if draw.chance(0.75):
        lid = draw(0.05, 0.12)
        cap = cylinder(flare * draw(1.05, 1.35), lid)
        draw.add('cap', cap.at(y=start + tall + 0.3 * lid))


@category('vase', '99000003', 'body foot handle')
def _vase(draw: Draw) -> None:
    height = draw(0.7, 1.3)
    radii = [draw(0.12, 0.3), draw(0.15, 0.45), draw(0.15, 0.45),
             draw(0.07, 0.25), draw(0.1, 0.32)]  # fmt: skip
    levels = np.array([0, 0.3, 0.6, 0.82, 1.0]) * height
    outer = smooth(np.stack([radii, levels], axis=1), 5)
    outer[:, 0] = np.maximum(outer[:, 0], 0.05)
    draw.add('body', vessel(outer, 0.025))
    if draw.chance(0.4):
        tall, wide = draw(0.04, 0.12), radii[0] * draw(0.9, 1.4)
        draw.add('foot', cylinder(wide, tall, 0.9 * radii[0]).at(y=-tall / 2))
    if draw.chance(0.4):
        ear = _ear(draw, draw(0.12, 0.22), draw(0.25, 0.4) * height, 0.022)
        ear = ear.at(radii[3] + 0.02, 0.72 * height)
        draw.add('handle', pair(ear) if draw.chance(0.7) else ear)


@category('bowl', '02880940', 'body foot handle')
def _bowl(draw: Draw) -> None:
    radius, share = draw(0.4, 0.6), np.linspace(0, 1, 9)
    height, foot = radius * draw(0.45, 1.1), radius * draw(0.3, 0.6)
    radii = foot + (radius - foot) * share ** draw(0.4, 0.9)
    outer = np.stack([radii, height * share], axis=1)
    if draw.chance(0.3):
        lip = [[radius * draw(1.08, 1.25), 1.02 * height]]
        outer = np.concatenate([outer, lip])
    draw.add('body', vessel(outer, draw(0.02, 0.05)))
    if draw.chance(0.5):
        tall = draw(0.03, 0.12)
        base = cylinder(foot * draw(0.8, 1.2), tall, foot)
        draw.add('foot', base.at(y=-tall / 2))
    if draw.chance(0.25):
        ear = _ear(draw, 0.14, 0.2 * radius + 0.08, 0.025)
        ear = ear.turned('x', np.pi / 2).at(0.97 * radius, 0.85 * height)
        draw.add('handle', pair(ear))


@category('bathtub', '02808440', 'tub foot tap')
def _bathtub(draw: Draw) -> None:
    length, width, height = draw(1.3, 1.8), draw(0.6, 0.85), draw(0.4, 0.62)
    slope, wall, rim = draw(0.72, 1.0), draw(0.05, 0.1), draw(0.0, 0.06)
    lift = draw(0.08, 0.16) if draw.chance(0.45) else 0.0
    power = draw(2.0, 9.0), draw(2.0, 5.0)
    outside = [
        (slope * length, slope * width),
        (length, width),
        (length + rim, width + rim),
        (length + rim, width + rim),
    ]
    inside = [(length - wall, width - wall),
              (0.92 * length - wall, 0.9 * width - wall),
              (0.7 * length, 0.6 * width)]  # fmt: skip
    rows = [ring(*size, power[0], 32) for size in outside]
    rows += [ring(*size, power[1], 32) for size in inside]
    levels = np.array([0.0, 0.85, 0.9, 1.0, 1.0, 0.5, 0.2]) * height
    draw.add('tub', skin(rows, levels + lift))
    if lift:
        foot = ball(0.1, 2.4 * lift, 0.1)
        foot = foot.at(0.3 * length, 0.6 * lift, 0.3 * width)
        draw.add('foot', four(foot))
    if draw.chance(0.6):
        top, high, x = lift + height, draw(0.08, 0.25), 0.48 * length
        path = [(x, 0, 0), (x, high, 0), (x - 0.06, 1.2 * high, 0),
                (x - 0.16, high, 0)]  # fmt: skip
        knob = rod((x, 0, 0.12), (x, 0.06, 0.12), 0.03)
        spout = tube(smooth(path), 0.025)
        draw.add('tap', spout.at(y=top), pair(knob, 'z').at(y=top))


def _fin(
    span: float, root: float, tip: float, sweep: float, thick: float,
    rise: float = 0.0,
) -> Solid:  # fmt: skip
    """Make half a wing along +x; its tip is back by sweep, up by rise."""
    rows = [
        ring(thick, root, sides=14),
        ring(thick / 2, tip, sides=14) + np.array([rise, -sweep]),
    ]
    return skin(rows, [0.0, span], 'x')


@category('airplane', '02691156', 'body wing tail engine')
def _airplane(draw: Draw) -> None:
    length, radius, jet = draw(0.85, 1.2), draw(0.045, 0.09), draw.chance(0.3)
    nose, tail = draw(0.1, 0.3), draw(0.25, 0.45)
    knots = [
        (0.02, -0.5),
        (draw(0.1, 0.35), -0.47),
        (1.0, tail - 0.5),
        (1.0, 0.5 - nose),
        (0.65, 0.5 - 0.3 * nose),
        (0.02, 0.5),
    ]
    profile = np.clip(smooth(knots), [0.01, -1], [1.05, 1]) * [radius, length]
    draw.add('body', revolve(profile).turned('x', np.pi / 2))
    span = draw(0.2, 0.35) if jet else draw(0.38, 0.62)
    chord = draw(0.32, 0.5) if jet else draw(0.14, 0.26)
    tip = chord * (draw(0.1, 0.3) if jet else 0.5)
    sweep = draw(0.1, 0.3) if jet else draw(-0.02, 0.24)
    thick, rise = draw(0.02, 0.035), draw(-0.02, 0.08)
    wing, y = _fin(span, chord, tip, sweep, thick, rise), draw(-0.7, 0.9)
    wing = wing.at(0.6 * radius, y * radius, draw(-0.06, 0.08))
    draw.add('wing', pair(wing))
    back, height = -0.42 * length, draw(0.14, 0.24)
    fin = _fin(height, 0.17, 0.09, 0.1, 0.018).turned('z', np.pi / 2)
    fin = fin.at(y=0.5 * radius, z=back)
    twin = jet and draw.chance(0.5)
    draw.add('tail', pair(fin.turned('z', 0.35)) if twin else fin)
    flat = _fin(draw(0.14, 0.22), 0.12, 0.06, 0.06, 0.015)
    high = draw.pick(0.3 * radius, 0.3 * radius, 0.3 * radius, 0.9 * height)
    draw.add('tail', pair(flat.at(y=high, z=back - 0.3 * high)))
    if jet and draw.chance(0.7):
        return
    long, size = draw(0.12, 0.24), draw(0.025, 0.05)
    engine = cylinder(0.85 * size, long, size).turned('x', np.pi / 2)
    style = draw.pick('wing', 'wing', 'tail', 'propeller')
    if style == 'propeller':
        blade = box(0.26, 0.02, 0.012).turned('z', draw(0, 1.5))
        blades = join(blade, blade.turned('z', np.pi / 2))
        engine = join(engine, blades.at(z=0.01 + long / 2))
    if style == 'tail':
        draw.add('engine', pair(engine.at(radius + size, 0.5 * radius, -0.3)))
        return
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
    tip, share = draw(0.12, 0.35), np.linspace(0, 1, 7)
    curve = np.maximum(upper * (1 - share ** draw(1.0, 2.4)), 0.002)
    nose = revolve(np.stack([curve, height + tip * share], axis=1))
    draw.add('nose', nose)
    if draw.chance(0.85):
        chords = draw(0.18, 0.34), draw(0.06, 0.16)
        fin = _fin(draw(0.08, 0.22), *chords, draw(0.0, 0.15), 0.025)
        fin = fin.turned('x', -np.pi / 2).at(0.9 * radius, 0.14)
        draw.add('fin', around(fin, draw.count(3, 5)))
    if draw.chance(0.35):
        size, long = radius * draw(0.35, 0.6), draw(0.35, 0.7) * height
        profile = [(size, 0), (size, long), (0.5 * size, long + size),
                   (0.01, long + 2 * size)]  # fmt: skip
        booster = revolve(profile).at(x=radius + size)
        draw.add('booster', around(booster, draw.count(2, 4), 0.6))
    draw.add('nozzle', cylinder(0.8 * radius, 0.1, 0.35 * radius).at(y=-0.05))


_CABINS = {  # start and end at the belt, then at the roof, shares of length
    'sedan': (-0.36, 0.22, -0.2, 0.05),
    'hatchback': (-0.46, 0.2, -0.4, 0.02),
    'estate': (-0.48, 0.22, -0.45, 0.04),
    'van': (-0.49, 0.4, -0.48, 0.26),
    'pickup': (-0.08, 0.24, -0.05, 0.08),
    'sports': (-0.36, 0.16, -0.14, -0.02),
}


@category('car', '02958343', 'body cabin wheel trim')
def _car(draw: Draw) -> None:
    style = draw.pick(*_CABINS)
    length, width, clear = draw(1.25, 1.7), draw(0.55, 0.7), draw(0.08, 0.16)
    belt = draw(0.2, 0.32) * (0.8 if style == 'sports' else 1.0)
    roof = draw(0.16, 0.28) * (1.4 if style == 'van' else 1.0)
    nose, top = draw(0.6, 1.0), clear + belt
    places = np.array([-0.5, -0.44, 0.15, 0.42, 0.5])
    wide = width * np.array([0.9, 1.0, 1.0, 0.98, 0.88])
    tall = np.array([0.75, 1.0, 1.0, 0.55 + 0.4 * nose, 0.55 * nose])
    rows = [
        ring(w, belt, 7) * [1, share] + np.array([0, clear + share * belt / 2])
        for w, share in zip(wide, tall, strict=True)
    ]
    draw.add('body', skin(rows, places * length, 'z'))
    ends = np.array(_CABINS[style]).reshape(2, 2) * length
    rows = [
        ring(share * width, back_front[1] - back_front[0], 8)
        + np.array([0, back_front.mean()])
        for share, back_front in zip((0.95, 0.76), ends, strict=True)
    ]
    draw.add('cabin', skin(rows, [clear + 0.9 * belt, top + roof]))
    if style == 'pickup':
        side = box(0.04, 0.1, 0.4 * length)
        side = side.at(0.46 * width, top + 0.04, -0.29 * length)
        draw.add('body', pair(side))
    radius, lag = draw(0.11, 0.165), draw(-0.03, 0.03) * length
    wheel = cylinder(radius, 0.12).turned('z', np.pi / 2)
    wheels = four(wheel.at(0.46 * width, radius, 0.3 * length))
    draw.add('wheel', wheels.at(z=lag))
    if draw.chance(0.5):
        bumper = box(0.95 * width, 0.06, 0.05)
        draw.add('trim', pair(bumper.at(0, clear + 0.06, 0.51 * length), 'z'))
    if style == 'sports' and draw.chance(0.6):
        wing = box(0.9 * width, 0.02, 0.12).at(y=0.07)
        posts = pair(box(0.03, 0.14, 0.03).at(x=0.3 * width))
        draw.add('trim', join(wing, posts).at(y=top, z=-0.45 * length))


@category('skateboard', '04225987', 'deck truck wheel')
def _skateboard(draw: Draw) -> None:
    length, width, thick = draw(0.8, 1.2), draw(0.2, 0.32), draw(0.018, 0.035)
    kick, power = draw(0.0, 0.12), draw.pick(4, 4, 1.5)
    along = np.linspace(-1, 1, 13)
    end = np.maximum(0.0, np.abs(along) - 0.62) / 0.38
    wide = width * np.maximum(np.sqrt(1 - end**power), 0.08)
    rows = [
        ring(w, thick, 8, 12) + np.array([0, 0.17 + kick * lift])
        for w, lift in zip(wide, end**1.6, strict=True)
    ]
    draw.add('deck', skin(rows, along * length / 2, 'z'))
    radius, track = draw(0.035, 0.06), width * draw(0.65, 0.95)
    z = 0.32 * length
    axle = rod((-track / 2, radius, z), (track / 2, radius, z), 0.015)
    hanger = box(0.5 * track, 0.16 - radius, 0.07, (0.6, 1.4))
    hanger = hanger.at(y=radius / 2 + 0.08, z=z)
    draw.add('truck', pair(axle, 'z'), pair(hanger, 'z'))
    wheel = cylinder(radius, 0.06).turned('z', np.pi / 2)
    draw.add('wheel', four(wheel.at(track / 2, radius, z)))
    if draw.chance(0.15):
        bar = rod((0, 0.18, 0), (0, 0.75, 0), 0.015)
        grip = rod((-0.16, 0.74, 0), (0.16, 0.74, 0), 0.018)
        draw.add('truck', join(bar, grip).at(z=0.4 * length))


@category('display', '03211117', 'screen frame neck base')
def _display(draw: Draw) -> None:
    width, thick, rise = draw(0.7, 1.3), draw(0.03, 0.09), draw(0.12, 0.35)
    height, edge = width * draw(0.45, 0.8), draw(0.02, 0.07)
    tilt = draw(-0.15, 0.05)
    panel = box(width - edge, height - edge, 0.7 * thick)
    draw.add('screen', panel.turned('x', tilt).at(y=rise + height / 2))
    border = frame(width, height, edge, thick).at(y=-height / 2)
    draw.add('frame', border.turned('x', tilt).at(y=rise + height / 2))
    if draw.chance(0.25):
        depth = draw(0.2, 0.5)
        back = box(0.9 * width, depth, 0.9 * height, (0.5, 0.5))
        back = back.turned('x', -np.pi / 2)
        draw.add('frame', back.at(y=rise + height / 2, z=-depth / 2))
    style, reach = draw.pick('oval', 'box', 'feet', 'two'), draw(0.15, 0.3)
    if style == 'two':
        x = 0.35 * width
        draw.add('neck', pair(box(0.04, rise, 0.04).at(x, rise / 2)))
        draw.add('base', pair(box(0.05, 0.03, 0.36).at(x, 0.015)))
        return
    neck = box(draw(0.06, 0.2), rise + 0.15, 0.05)
    draw.add('neck', neck.at(y=rise / 2 + 0.075, z=-0.05))
    if style == 'feet':
        toe = rod((0, 0.04, 0), (reach * width, 0.01, 0.16), 0.025)
        draw.add('base', four(toe))
        return
    outline = ring(
        2 * reach * width, draw(0.22, 0.36), 2 if style == 'oval' else 9
    )
    draw.add('base', plate(outline, 0.03).at(y=0.015))


@category('laptop', '03642806', 'base screen keyboard')
def _laptop(draw: Draw) -> None:
    width, thick, soft = draw(0.8, 1.1), draw(0.025, 0.12), draw(5, 12)
    depth = width * draw(0.55, 0.85)
    draw.add('base', cushion(width, thick, depth, soft).at(y=thick / 2))
    rows = draw.count(3, 5)
    for row in range(rows):
        strip = box(0.85 * width, 0.02, 0.32 * depth / rows)
        z = (row / rows - 0.42) * 0.5 * depth
        draw.add('keyboard', strip.at(y=thick + 0.005, z=z))
    pad = box(0.28 * width, 0.012, 0.22 * depth)
    draw.add('keyboard', pad.at(y=thick, z=0.32 * depth))
    lid = cushion(width, 0.6 * thick, depth, soft).at(z=depth / 2)
    lid = lid.turned('x', -np.deg2rad(draw(25, 165)))
    draw.add('screen', lid.at(y=thick, z=-depth / 2))


@category('lamp', '03636649', 'base pole shade bulb')
def _lamp(draw: Draw) -> None:
    size, style = (
        draw(0.14, 0.32),
        draw.pick('floor', 'table', 'vase', 'arm', 'hanging'),
    )
    height = draw(1.0, 1.5) if style == 'floor' else draw(0.4, 0.8)
    share, tall = np.linspace(0, 1, 7), size * draw(0.6, 1.5)
    cone = 1 - share * draw(0.0, 0.75)
    dome = np.sqrt(np.maximum(1 - share**2, 0.02))
    radii = size * draw.pick(cone, cone, dome)
    outer = np.stack([radii, tall * (share - 0.5)], axis=1)
    # Open below and above: out, over the edge, back inside.
    shade = revolve(
        np.concatenate([outer, outer[::-1] * [0.93, 1], outer[:1]])
    )
    bulb = ball(0.4 * size, 0.5 * size, 0.4 * size)
    head = (0, height + 0.1, 0)
    if style == 'hanging':
        draw.add('base', cylinder(0.1, 0.04).at(y=height))
        draw.add('pole', rod((0, 0, 0), (0, height, 0), 0.012))
        head = (0, 0, 0)
    else:
        radius, thick = draw(0.12, 0.22), draw(0.02, 0.08)
        foot = cylinder(radius, thick, radius * draw(0.3, 1.0))
        draw.add('base', foot.at(y=thick / 2))
    if style == 'arm':
        head = (0, height + draw(-0.1, 0.2), 0.28)
        elbow = (0, height, -0.22)
        pole = join(rod((0, 0, 0), elbow, 0.018), rod(elbow, head, 0.016))
        draw.add('pole', pole)
        shade = shade.scaled(0.7, 0.7, 0.7).turned('x', -draw(0.2, 0.9))
    elif style == 'vase':
        radii = [draw(0.03, 0.16) for _ in range(4)]
        curve = smooth(np.stack([radii, np.linspace(0, height, 4)], axis=1))
        draw.add('pole', revolve(np.maximum(curve, [0.02, 0.0])))
    elif style != 'hanging':
        draw.add('pole', rod((0, 0, 0), (0, height, 0), draw(0.012, 0.03)))
    draw.add('shade', shade.at(*head))
    draw.add('bulb', bulb.at(*head))


@category('cap', '02954340', 'crown brim button')
def _cap(draw: Draw) -> None:
    width, height = draw(0.75, 0.95), draw(0.4, 0.65)
    depth, power = width * draw(1.0, 1.25), draw(1.8, 3.0)
    if draw.chance(0.6):
        share = np.linspace(0, 1, 10)
        radii = np.maximum(1 - share**power, 1e-5) ** (1 / power)
        dome = np.stack([0.5 * radii, share], axis=1)
        profile = np.concatenate([dome, 0.95 * dome[::-1]])
        draw.add('brim', _peak(draw, width, depth))
        if draw.chance(0.7):
            draw.add('button', ball(0.08, 0.05, 0.08).at(y=height))
    else:
        top = draw(0.6, 1.0)
        profile = [(0.5, 0.0), (0.5 * top, 0.85), (0.42 * top, 1.0),
                   (0.01, 0.97), (0.01, 0.9), (0.38 * top, 0.9),
                   (0.47, 0.0)]  # fmt: skip
        wide, curl = draw(1.35, 1.9), draw(-0.08, 0.18)
        circle = np.insert(ring(wide * width, wide * depth), 1, 0.0, axis=1)
        circles = np.stack([circle * share for share in (0.55, 1, 1, 0.55)])
        circles[2:, :, 1] = 0.025
        circles[..., 1] += curl * (2 * circles[..., 0] / wide / width) ** 2
        draw.add('brim', loft(circles, closed=True))
        band = [(0.51, 0.05), (0.51, 0.2), (0.49, 0.2), (0.49, 0.05)]
        draw.add('button', revolve(band).scaled(width, height, depth))
    draw.add('crown', revolve(profile).scaled(width, height, depth))


def _peak(draw: Draw, width: float, depth: float) -> Solid:
    """Draw a peak in front of a crown."""
    side = np.linspace(-1, 1, 13)
    arc = np.sqrt(1 - side**2)
    start = 0.48 * depth * np.sqrt(1 - (0.96 * side) ** 2)
    end = start + draw(0.3, 0.5) * arc**0.7 + 0.01
    y = 0.03 - draw(0.02, 0.15) * side**2
    tip = y - 0.05 * arc
    corners = [(y, start), (tip, end), (tip + 0.03, end), (y + 0.03, start)]
    rows = np.moveaxis(np.array(corners), 2, 0)  # (2, 4, 13) -> (13, 4, 2)
    return skin(list(rows), 0.48 * width * side, 'x')


@category('guitar', '03467517', 'body neck head bridge')
def _guitar(draw: Draw) -> None:
    electric, length = draw.chance(0.45), draw(0.42, 0.6)
    thick = draw(0.05, 0.07) if electric else draw(0.1, 0.15)
    lower = draw(0.19, 0.24)
    waist, upper = lower * draw(0.5, 0.7), lower * draw(0.7, 0.92)
    knots = [(0.02, -0.3), (0.8 * lower, -0.25), (lower, -0.11),
             (waist, 0.06), (upper, 0.19)]  # fmt: skip
    horn = draw(0.27, 0.36)
    ends = [[(0.7 * upper, 0.27), (0.02, 0.29)]] * 2
    if electric:
        horns = horn, horn - draw(0.0, 0.1)
        ends = [[(0.85 * upper, z), (0.06, 0.2)] for z in horns]
    right, left = (smooth(knots + end) for end in ends)
    outline = np.concatenate([right, left[::-1] * [-1.0, 1.0]])
    level, end = thick / 2, 0.26 + length
    neck = box(0.065, 0.045, length + 0.15, (0.8, 1.0))
    head = box(0.1, 0.03, 0.17, (draw(0.7, 1.3), 1.0)).at(z=end + 0.08)
    peg = rod((-0.09, 0, end + 0.03), (0.09, 0, end + 0.03), 0.012)
    pegs = [peg.at(z=0.05 * row) for row in range(3)]
    bridge = box(draw(0.1, 0.2), 0.035, 0.04).at(z=-0.14)
    pickup = box(0.1, 0.03, 0.035).at(z=-0.06)
    rose = cylinder(0.055, 0.02).at(z=0.08)
    mid = join(pickup, pickup.at(z=0.12)) if electric else rose
    for part, solid in (
        ('body', plate(outline, thick).at(y=-level)),
        ('neck', neck.at(z=0.19 + length / 2)),
        ('head', join(head, *pegs)),
        ('bridge', join(bridge, mid)),
    ):
        draw.add(part, solid.turned('x', -np.pi / 2))


@category('knife', '03624134', 'blade handle guard')
def _knife(draw: Draw) -> None:
    length, width, thick = (
        draw(0.45, 0.9),
        draw(0.08, 0.18),
        draw(0.012, 0.025),
    )
    grip, size, bend = draw(0.3, 0.5), draw(0.05, 0.09), draw(-0.06, 0.06)
    share = np.linspace(0, 1, 9)
    dagger, bow = (1 - share**3) / 2, -0.15 * np.sin(np.pi * share)
    edge, spine = draw.pick(
        (np.sqrt(1 - share**2.2), 0 * share),
        (dagger, -dagger),
        (1.5 - 0.15 * share, 0 * share),
        (0.8 * np.sqrt(1 - share**6), bow),
    )
    edge, spine = width * np.maximum(edge, spine + 0.05), width * spine
    middle, flat = (edge + spine) / 2, 0 * share
    corners = [(spine, flat), (middle, flat + thick), (edge, flat),
               (middle, flat - thick)]  # fmt: skip
    blade = skin(list(np.moveaxis(np.array(corners), 2, 0)), length * share)
    path = smooth([(0, 0.01, 0), (bend, -grip / 2, 0), (0, -grip, 0)])
    swell = size * (0.4 + 0.12 * np.sin(np.linspace(0, np.pi, len(path))))
    handle = [tube(path, swell, 10).scaled(1.0, 1.0, 0.7).at(x=0.1 * size)]
    if draw.chance(0.4):
        handle.append(ball(size, 0.7 * size, size).at(y=-grip))
    parts = [('blade', blade.at(x=-0.4 * size)), ('handle', join(*handle))]
    if draw.chance(0.5):
        guard = cushion(width * draw(1.1, 2.0), 0.035, 1.2 * size)
        parts.append(('guard', guard))
    for part, solid in parts:
        solid = solid.turned('x', np.pi / 2)
        draw.add(part, solid.turned('z', np.pi / 2))
