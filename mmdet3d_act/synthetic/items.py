"""Things for rooms: categories in metres, coloured, z up, front to -y."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .category import Shape, get_category
from .solids import Solid, rotation

# Numbers of NYU40, which ScanNet's masks hold, of the names used here.
NYU40 = {
    'wall': 1, 'floor': 2, 'cabinet': 3, 'bed': 4, 'chair': 5, 'sofa': 6,
    'table': 7, 'door': 8, 'window': 9, 'bookshelf': 10, 'picture': 11,
    'counter': 12, 'desk': 14, 'curtain': 16, 'ceiling': 22,
    'refrigerator': 24, 'television': 25, 'shower curtain': 28, 'toilet': 33,
    'sink': 34, 'lamp': 35, 'bathtub': 36, 'otherfurniture': 39,
    'otherprop': 40,
}  # fmt: skip

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
    'mixed': ((200, 60, 50), (50, 90, 170), (230, 180, 60), (60, 140, 90),
              (225, 220, 205), (40, 40, 45), (40, 150, 170), (120, 50, 40)),
    'stone': ((90, 88, 86), (180, 175, 168), (60, 58, 60), (205, 198, 188)),
    'wall': ((222, 216, 203), (205, 212, 214), (232, 226, 215),
             (214, 206, 186), (196, 205, 190), (225, 225, 225)),
    'floor': ((150, 111, 76), (181, 144, 104), (120, 110, 100),
              (96, 76, 60), (165, 160, 152), (110, 100, 110)),
    'ceiling': ((240, 240, 238),),
}  # fmt: skip


class Kind(NamedTuple):
    """How a category is drawn for rooms.

    Attributes:
        measure: Which extent the size is: 'width', 'height' or 'longest'.
        low: Smallest size, metres.
        high: Largest size, metres.
        colors: Palette of its parts, then 'part:palette' for others.
        label: Its name in NYU40 where that is not the category's.
    """

    measure: str
    low: float
    high: float
    colors: str
    label: str = ''


KINDS = {
    'cabinet': Kind('longest', 0.75, 1.5, 'wood handle:metal'),
    'bed': Kind('longest', 1.9, 2.15, 'wood mattress:linen pillow:linen'),
    'chair': Kind('height', 0.75, 1.0, 'wood seat:fabric support:metal'),
    'sofa': Kind('height', 0.7, 0.9, 'fabric support:wood'),
    'table': Kind('height', 0.45, 0.76, 'wood support:metal'),
    'desk': Kind('longest', 1.15, 1.7, 'wood handle:metal'),
    'bookshelf': Kind('longest', 1.3, 2.0, 'wood book:mixed'),
    'door': Kind('height', 1.95, 2.1, 'paint handle:metal'),
    'window': Kind('height', 0.9, 1.45, 'white pane:glass'),
    'picture': Kind('longest', 0.5, 1.2, 'dark canvas:linen paint:mixed'),
    'curtain': Kind('height', 1.75, 2.25, 'fabric rail:metal'),
    'shower curtain': Kind('height', 1.6, 1.8, 'linen rail:metal'),
    'refrigerator': Kind('height', 1.45, 1.9, 'white handle:metal foot:dark'),
    'toilet': Kind('height', 0.72, 0.85, 'white'),
    'counter': Kind('longest', 1.5, 2.6, 'wood top:stone handle:metal'),
    'sink': Kind('longest', 0.42, 0.6, 'metal'),
    'washbasin': Kind('height', 0.9, 1.08, 'white tap:metal', 'sink'),
    'bathtub': Kind('longest', 1.45, 1.75, 'white tap:metal foot:metal'),
    'bin': Kind('height', 0.3, 0.6, 'dark rim:white', 'otherfurniture'),
    'lamp': Kind('longest', 0.4, 0.6, 'metal shade:linen'),
    'display': Kind('width', 0.5, 0.8, 'dark', 'television'),
    'laptop': Kind('width', 0.3, 0.38, 'metal', 'otherprop'),
    'vase': Kind('height', 0.2, 0.4, 'linen', 'otherprop'),
    'bowl': Kind('width', 0.18, 0.3, 'mixed', 'otherprop'),
}


class Item(NamedTuple):
    """One coloured thing; drawn, it stands in the middle on z = 0.

    Attributes:
        label: Its name in NYU40.
        vertices: (V, 3) float, metres.
        faces: (F, 3) int.
        colors: (F, 3) float in [0, 1].
        top: Height of the plate that carries other things, or of the
            highest point.
        yaw: Turn about the z axis, radians, right-handed.
    """

    label: str
    vertices: np.ndarray
    faces: np.ndarray
    colors: np.ndarray
    top: float
    yaw: float = 0.0

    @property
    def size(self) -> np.ndarray:
        """(3,) extents."""
        return np.ptp(self.vertices, axis=0)

    def placed(
        self, yaw: float = 0.0, place: Sequence[float] | np.ndarray = (0, 0, 0)
    ) -> Item:
        """Turn it by a yaw about the origin, then move it to a place (3,)."""
        vertices = self.vertices @ rotation('z', yaw).T + np.asarray(place)
        return self._replace(
            vertices=vertices, top=self.top + place[2], yaw=self.yaw + yaw
        )


def draw_item(name: str, rng: np.random.Generator) -> Item:
    """Draw a thing of one of the `KINDS`."""
    kind = KINDS[name]
    shape = get_category(name).draw(rng)
    width, height, _ = extent = np.ptp(shape.vertices, axis=0)
    sizes = {'width': width, 'height': height, 'longest': extent.max()}
    scale = rng.uniform(kind.low, kind.high) / sizes[kind.measure]
    scaled = shape._replace(vertices=shape.vertices * scale)
    item = _colored(kind.label or name, scaled, kind.colors, rng)
    low, high = item.vertices.min(axis=0), item.vertices.max(axis=0)
    return item.placed(0.0, [*(low + high)[:2] / -2, -low[2]])


def plain_item(label: str, solid: Solid, rng: np.random.Generator) -> Item:
    """Make a thing of one colour, of the palette of its label, as it is."""
    colors = np.tile(_tone(label, rng), (len(solid.faces), 1))
    return Item(label, *solid, colors, 0.0)


def _colored(
    label: str, shape: Shape, colors: str, rng: np.random.Generator
) -> Item:
    """Colour a shape in metres and turn it z up."""
    main, *others = colors.split()
    special = dict(other.split(':') for other in others)
    tones = {name: _tone(name, rng) for name in [main, *special.values()]}
    painted = [tones[special.get(part, main)] for part in shape.part_names]
    painted = np.stack(painted)[shape.labels]
    if 'book' in shape.part_names:
        # Every twelve faces, which is a box, are another book.
        books = np.flatnonzero(shape.labels == shape.part_names.index('book'))
        each = [_tone('mixed', rng) for _ in range(len(books) // 12)]
        painted[books] = np.reshape(each, (-1, 3)).repeat(12, axis=0)
    vertices = shape.vertices @ rotation('x', np.pi / 2).T
    top = vertices[:, 2].max()
    if 'top' in shape.part_names:
        plate = shape.labels == shape.part_names.index('top')
        top = vertices[shape.faces[plate].ravel(), 2].max()
    return Item(label, vertices, shape.faces, painted, float(top))


def _tone(palette: str, rng: np.random.Generator) -> np.ndarray:
    """Draw a colour (3,) in [0, 1] near one of a palette."""
    tones = np.array(_PALETTES[palette]) / 255
    tone = tones[int(rng.integers(len(tones)))]
    return np.clip(tone * rng.normal(1, 0.06) + rng.normal(0, 0.02, 3), 0, 1)
