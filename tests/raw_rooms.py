"""Rooms of S3DIS as Stanford's archive has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

RAW_FOLDER = 'Stanford3dDataset_v1.2_Aligned_Version'
OBJECTS = {
    'Area_1/office_2': ('chair_1', 'wall_3', 'floor_1', 'stairs_1'),
    'Area_1/WC_1': ('floor_1', 'clutter_1'),
    'Area_5/hallway_6': ('ceiling_1', 'door_1'),
}
BAD_ROW = b'22.350 6.692 3.048 185\x00187 182\n'


def write_object(path: Path, points: int, seed: int) -> None:
    """Write so many rows "x y z red green blue"."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((points, 6))
    rows[:, :3] = rng.uniform(-20, 20, (points, 3))
    rows[:, 3:] = rng.integers(0, 180, (points, 3))
    np.savetxt(path, rows, fmt=['%.3f'] * 3 + ['%d'] * 3)


def write_raw(root: Path) -> Path:
    """Write three rooms, one with a bad row and one with a copy.

    Returns:
        Stanford's folder, below ``root``.
    """
    folder = root / RAW_FOLDER
    for place, (room, names) in enumerate(OBJECTS.items()):
        inner = folder / room / 'Annotations'
        inner.mkdir(parents=True)
        for number, name in enumerate(names):
            seed = 10 * place + number
            write_object(inner / f'{name}.txt', 6 + number, seed)
        (inner.parent / f'{inner.parent.name}.txt').write_text('1 2 3 4 5 6')
    (folder / 'Area_1' / 'Area_1_alignmentAngle.txt').write_text('#\n')
    (folder / 'Area_1' / '.DS_Store').write_bytes(b'\x00\x01')
    office = folder / 'Area_1/office_2/Annotations'
    copy = (office / 'wall_3.txt').read_bytes()
    (office / 'wall_3 (1).txt').write_bytes(copy)
    (office / 'Icon\r').write_bytes(b'')
    ceiling = folder / 'Area_5/hallway_6/Annotations/ceiling_1.txt'
    lines = ceiling.read_bytes().splitlines(keepends=True)
    ceiling.write_bytes(b''.join([*lines[:3], BAD_ROW, *lines[3:]]))
    return folder
