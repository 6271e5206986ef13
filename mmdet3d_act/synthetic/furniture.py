"""Things for rooms: categories and fixtures in metres, coloured, z up."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .catalog import get_category
from .fixtures import FIXTURES, basin, tap
from .mesh import Mesh, Shape, joined, rotation
from .primitives import box, rod

# Numbers of NYU40, which ScanNet's masks hold, of the names used here.
NYU40 = {
    'wall': 1,
    'floor': 2,
    'cabinet': 3,
    'bed': 4,
    'chair': 5,
    'sofa': 6,
    'table': 7,
    'door': 8,
    'window': 9,
    'bookshelf': 10,
    'picture': 11,
    'counter': 12,
    'desk': 14,
    'curtain': 16,
    'ceiling': 22,
    'refrigerator': 24,
    'television': 25,
    'shower curtain': 28,
    'toilet': 33,
    'sink': 34,
    'lamp': 35,
    'bathtub': 36,
    'otherfurniture': 39,
    'otherprop': 40,
}

_PALETTES = {
    'wood': ((133, 94, 66), (166, 124, 82), (101, 67, 33), (196, 164, 124),
             (222, 200, 165), (120, 72, 50)),
    'white': ((235, 235, 230), (245, 243, 238), (225, 222, 214)),
    'paint': ((236, 234, 228), (210, 205, 195), (150, 120, 90),
              (110, 75, 50), (190, 200, 205)),
    'fabric': ((120, 60, 55), (70, 85, 110), (110, 110, 105), (60, 90, 70),
               (150, 130, 100), (45, 45, 50), (170, 150, 140)),
    'linen': ((230, 228, 220), (190, 200, 215), (215, 195, 180),
              (160, 170, 190), (205, 215, 200)),
    'metal': ((150, 152, 155), (190, 192, 195), (90, 92, 96)),
    'dark': ((30, 30, 33), (55, 55, 60), (45, 40, 38)),
    'glass': ((175, 200, 220), (205, 220, 230), (130, 160, 190)),
    'vivid': ((200, 60, 50), (50, 90, 170), (230, 180, 60), (60, 140, 90),
              (130, 80, 150), (220, 120, 50), (40, 150, 170)),
    'mixed': ((200, 60, 50), (50, 90, 170), (230, 180, 60), (60, 140, 90),
              (225, 220, 205), (40, 40, 45), (40, 150, 170), (120, 50, 40)),
    'stone': ((90, 88, 86), (180, 175, 168), (60, 58, 60), (205, 198, 188)),
}  # fmt: skip


class Kind(NamedTuple):
    """How a thing for rooms is drawn.

    Attributes:
        label: Its name in NYU40.
        shape: Name of a category or of a fixture.
        measure: Which extent the size is: 'width', 'height' or 'longest'.
        low: Smallest size, metres.
        high: Largest size, metres.
        palette: Name of the palette of its parts.
        parts: Palettes of parts that have another one, by part; None is no
            part.
    """

    label: str
    shape: str
    measure: str
    low: float
    high: float
    palette: str
    parts: dict[str, str] | None = None


KINDS = {
    'cabinet': Kind(
        'cabinet', 'cabinet', 'longest', 0.75, 1.5, 'wood', {'handle': 'metal'}
    ),
    'bed': Kind(
        'bed', 'bed', 'longest', 1.9, 2.15, 'wood',
        {'mattress': 'linen', 'pillow': 'linen'},
    ),
    'chair': Kind(
        'chair', 'chair', 'height', 0.75, 1.0, 'wood',
        {'seat': 'fabric', 'support': 'metal'},
    ),
    'sofa': Kind(
        'sofa', 'sofa', 'height', 0.7, 0.9, 'fabric', {'support': 'wood'}
    ),
    'table': Kind(
        'table', 'table', 'height', 0.45, 0.76, 'wood', {'support': 'metal'}
    ),
    'desk': Kind(
        'desk', 'desk', 'longest', 1.15, 1.7, 'wood', {'handle': 'metal'}
    ),
    'bookshelf': Kind(
        'bookshelf', 'bookshelf', 'longest', 1.3, 2.0, 'wood',
        {'book': 'mixed'},
    ),
    'door': Kind(
        'door', 'door', 'height', 1.95, 2.1, 'paint', {'handle': 'metal'}
    ),
    'window': Kind(
        'window', 'window', 'height', 0.9, 1.45, 'white', {'pane': 'glass'}
    ),
    'picture': Kind(
        'picture', 'picture', 'longest', 0.5, 1.2, 'dark',
        {'canvas': 'linen', 'paint': 'mixed'},
    ),
    'curtain': Kind(
        'curtain', 'curtain', 'height', 1.75, 2.25, 'fabric',
        {'rail': 'metal'},
    ),
    'shower curtain': Kind(
        'shower curtain', 'shower curtain', 'height', 1.6, 1.8, 'linen',
        {'rail': 'metal'},
    ),
    'refrigerator': Kind(
        'refrigerator', 'refrigerator', 'height', 1.45, 1.9, 'white',
        {'handle': 'metal', 'foot': 'dark'},
    ),
    'toilet': Kind('toilet', 'toilet', 'height', 0.72, 0.85, 'white'),
    'washbasin': Kind(
        'sink', 'washbasin', 'height', 0.9, 1.08, 'white', {'tap': 'metal'}
    ),
    'bathtub': Kind(
        'bathtub', 'bathtub', 'longest', 1.45, 1.75, 'white',
        {'tap': 'metal', 'foot': 'metal'},
    ),
    'bin': Kind(
        'otherfurniture', 'bin', 'height', 0.3, 0.6, 'dark', {'rim': 'white'}
    ),
    'lamp': Kind(
        'lamp', 'lamp', 'longest', 0.4, 0.6, 'metal', {'shade': 'linen'}
    ),
    'display': Kind('television', 'display', 'width', 0.5, 0.8, 'dark'),
    'laptop': Kind('otherprop', 'laptop', 'width', 0.3, 0.38, 'metal'),
    'vase': Kind('otherprop', 'vase', 'height', 0.18, 0.35, 'vivid'),
    'bowl': Kind('otherprop', 'bowl', 'width', 0.18, 0.3, 'vivid'),
}  # fmt: skip


class Item(NamedTuple):
    """One coloured thing, standing on z = 0, its front to -y.

    Attributes:
        label: Its name in NYU40.
        vertices: (V, 3) float, metres, centred in x and y.
        faces: (F, 3) int.
        colors: (F, 3) float in [0, 1].
        top: Height of the plate that carries other things, or of the
            highest point.
    """

    label: str
    vertices: np.ndarray
    faces: np.ndarray
    colors: np.ndarray
    top: float

    @property
    def size(self) -> np.ndarray:
        """(3,) extents."""
        return np.ptp(self.vertices, axis=0)

    def placed(self, yaw: float, place: np.ndarray) -> Item:
        """Return the thing turned about its z axis, then moved.

        Args:
            yaw: Radians, right-handed.
            place: (3,) where its origin goes.
        """
        vertices = self.vertices @ rotation('z', yaw).T + place
        return self._replace(vertices=vertices, top=self.top + place[2])

    def grounded(self) -> Item:
        """Return the thing standing on z = 0, centred in x and y."""
        low, high = self.vertices.min(axis=0), self.vertices.max(axis=0)
        middle = (low + high) / 2
        middle[2] = low[2]
        return self.placed(0.0, -middle)


def draw_item(name: str, rng: np.random.Generator) -> Item:
    """Return a thing of a kind, drawn at random.

    Args:
        name: A name in `KINDS`.
        rng: Source of randomness.

    Raises:
        ValueError: If there is no such kind.
    """
    if name not in KINDS:
        raise ValueError(
            f'kind must be one of {", ".join(KINDS)}, got {name!r}; correct '
            'the name'
        )
    kind = KINDS[name]
    category = FIXTURES.get(kind.shape) or get_category(kind.shape)
    shape = category.draw(rng)
    extent = np.ptp(shape.vertices, axis=0)
    measured = {
        'width': extent[0],
        'height': extent[1],
        'longest': extent.max(),
    }[kind.measure]
    scale = rng.uniform(kind.low, kind.high) / measured
    return _to_item(
        shape._replace(vertices=shape.vertices * scale),
        kind.label,
        {
            part: (kind.parts or {}).get(part, kind.palette)
            for part in shape.part_names
        },
        rng,
    )


def _to_item(
    shape: Shape,
    label: str,
    palettes: dict[str, str],
    rng: np.random.Generator,
) -> Item:
    """Return a y-up shape in metres as a coloured thing, z up."""
    chosen = {
        name: _pick_color(name, rng) for name in sorted(set(palettes.values()))
    }
    tones = np.stack([chosen[palettes[part]] for part in shape.part_names])
    colors = tones[shape.labels]
    for index, part in enumerate(shape.part_names):
        if palettes[part] != 'mixed':
            continue
        # Books differ: every twelve faces, which is a box, are another one.
        mine = np.flatnonzero(shape.labels == index)
        each = [_pick_color('mixed', rng) for _ in range(len(mine) // 12 + 1)]
        colors[mine] = np.stack(each)[np.arange(len(mine)) // 12]
    vertices = shape.vertices @ rotation('x', np.pi / 2).T
    top = vertices[:, 2].max()
    if 'top' in shape.part_names:
        plate = shape.faces[shape.labels == shape.part_names.index('top')]
        top = vertices[plate.ravel(), 2].max()
    return Item(label, vertices, shape.faces, colors, float(top)).grounded()


def _pick_color(palette: str, rng: np.random.Generator) -> np.ndarray:
    """Return a colour (3,) in [0, 1] of a palette, a little off."""
    tones = _PALETTES[palette]
    tone = np.array(tones[int(rng.integers(len(tones)))]) / 255
    return np.clip(tone * rng.normal(1, 0.06) + rng.normal(0, 0.02, 3), 0, 1)


def _solid(
    label: str,
    parts: list[tuple[str, Mesh]],
    palettes: dict[str, str],
    rng: np.random.Generator,
) -> Item:
    """Return a thing of exact parts, y up with its front to +z."""
    names = tuple(palettes)
    whole = joined([mesh for _, mesh in parts])
    counts = [len(mesh.faces) for _, mesh in parts]
    labels = np.repeat([names.index(part) for part, _ in parts], counts)
    shape = Shape(whole.vertices, whole.faces, labels, names)
    return _to_item(shape, label, palettes, rng)


def draw_box(
    label: str,
    size: tuple[float, float, float],
    palette: str,
    rng: np.random.Generator,
) -> Item:
    """Return a plain box.

    Args:
        label: Its name in NYU40.
        size: Width, height and depth, metres.
        palette: Name of its palette.
        rng: Source of randomness.
    """
    return _solid(label, [('box', box(*size))], {'box': palette}, rng)


class KitchenRow(NamedTuple):
    """A row of a kitchen, all with the same origin.

    Attributes:
        base: The base cabinets.
        counter: The worktop with a hole for the sink.
        sink: The sink in the hole.
        length: Extent along the wall, metres.
        depth: Extent across, metres.
    """

    base: Item
    counter: Item
    sink: Item
    length: float
    depth: float


def draw_kitchen_row(rng: np.random.Generator) -> KitchenRow:
    """Return base cabinets, a worktop and a sink that fit together.

    Args:
        rng: Source of randomness.
    """
    length, depth = rng.uniform(1.5, 2.6), rng.uniform(0.58, 0.66)
    level, thick = rng.uniform(0.82, 0.9), rng.uniform(0.04, 0.07)
    wide, deep = rng.uniform(0.42, 0.6), rng.uniform(0.36, 0.42)
    at = rng.uniform(-0.3, 0.3) * length
    front = _row_fronts(length, level, depth, rng)
    base = _solid(
        'cabinet', front,
        {'body': 'paint', 'front': 'wood', 'handle': 'metal'}, rng,
    )  # fmt: skip
    slab = _slab_with_hole(length, depth + 0.03, thick, at, wide, deep)
    slab.append(box(length, 0.12, 0.02).moved(y=thick + 0.06, z=-depth / 2))
    counter = _solid(
        'counter', [('slab', mesh) for mesh in slab], {'slab': 'stone'}, rng
    )
    hollow = basin(wide, deep, 0.17).moved(y=-0.15)
    spout = tap(rng.uniform(0.18, 0.28)).moved(y=0.02, z=-deep / 2 + 0.02)
    sink = _solid(
        'sink', [('basin', hollow), ('tap', spout)],
        {'basin': 'metal', 'tap': 'metal'}, rng,
    )  # fmt: skip
    top = level + thick
    return KitchenRow(
        base,
        counter.placed(0.0, np.array([0.0, -0.02, level + 0.001])),
        sink.placed(0.0, np.array([at, 0.0, top - 0.14])),
        length,
        depth,
    )


def _row_fronts(
    length: float, level: float, depth: float, rng: np.random.Generator
) -> list[tuple[str, Mesh]]:
    """Return the body of base cabinets with a row of doors."""
    body = box(length, level - 0.16, depth - 0.04)
    # The body ends below the sink; a bar in front reaches the worktop.
    parts = [('body', body.moved(y=(level - 0.16) / 2 + 0.001))]
    bar = box(length, 0.15, 0.03)
    parts.append(('body', bar.moved(y=level - 0.08, z=depth / 2 - 0.04)))
    count = max(2, round(length / rng.uniform(0.4, 0.6)))
    step = length / count
    for index in range(count):
        x = (index + 0.5) * step - length / 2
        z = depth / 2 - 0.015
        door = box(0.93 * step, 0.8 * level, 0.025)
        parts.append(('front', door.moved(x, 0.52 * level, z)))
        side = x + (0.36 if index % 2 else -0.36) * step
        y = 0.75 * level
        grip = rod([side, y, z + 0.03], [side, y + 0.12, z + 0.03], 0.008)
        parts.append(('handle', grip))
    return parts


def _slab_with_hole(
    length: float,
    depth: float,
    thick: float,
    at: float,
    wide: float,
    deep: float,
) -> list[Mesh]:
    """Return the four boxes of a plate around a hole at x = at."""
    wide, deep = 0.94 * wide, 0.94 * deep
    left, right = at - wide / 2 + length / 2, length / 2 - at - wide / 2
    side = (depth - deep) / 2
    y = thick / 2
    return [
        box(left, thick, depth).moved(x=(left - length) / 2, y=y),
        box(right, thick, depth).moved(x=(length - right) / 2, y=y),
        box(wide, thick, side).moved(at, y, (deep + side) / 2),
        box(wide, thick, side).moved(at, y, -(deep + side) / 2),
    ]
