"""Small data sets with labels per point, in the official layouts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

PART_FOLDER = 'shapenetcore_partanno_segmentation_benchmark_v0_normal'
ROOM_FOLDER = 's3dis'
CATEGORIES = """Airplane\t02691156
Bag\t02773838
Cap\t02954340
Car\t02958343
Chair\t03001627
Earphone\t03261776
Guitar\t03467517
Knife\t03624134
Lamp\t03636649
Laptop\t03642806
Motorbike\t03790512
Mug\t03797390
Pistol\t03948459
Rocket\t04099429
Skateboard\t04225987
Table\t04379243
"""
# Synset, and first and last part.
CAP, MUG = ('02954340', 6, 7), ('03797390', 36, 37)
ROOMS = ('office_1', 'hallway_1')


def write_shapes(
    root: Path, train: int = 2, val: int = 1, test: int = 2, points: int = 60
) -> Path:
    """Write so many caps and mugs in ShapeNetPart's layout.

    Returns:
        Its folder, below ``root``.
    """
    rng = np.random.default_rng(0)
    folder = root / PART_FOLDER
    (folder / 'train_test_split').mkdir(parents=True)
    (folder / 'synsetoffset2category.txt').write_text(CATEGORIES)
    for split, count in dict(train=train, val=val, test=test).items():
        names = []
        for synset, first, last in (MUG, CAP):
            (folder / synset).mkdir(exist_ok=True)
            for index in range(count):
                name = f'{split}{index}'
                rows = rng.normal(size=(points, 7))
                rows[:, 6] = np.where(rows[:, 0] > 0, first, last)
                path = folder / synset / f'{name}.txt'
                np.savetxt(path, rows, fmt='%.6f')
                names.append(f'shape_data/{synset}/{name}')
        path = folder / 'train_test_split'
        path = path / f'shuffled_{split}_file_list.json'
        path.write_text(json.dumps(names[::-1]))
    return folder


def room_rows(
    points: int, rng: np.random.Generator, dtype: str = 'float64'
) -> np.ndarray:
    """Return rows of a room of 3 m by 2 m by 2.5 m, its corner at 0."""
    rows = np.zeros((points, 7))
    rows[:, :3] = rng.uniform(0, 1, (points, 3)) * [3, 2, 2.5]
    rows[0, :3] = 0
    rows[:, 3:6] = rng.integers(0, 256, (points, 3))
    # Floor and ceiling, walls and clutter between them.
    rows[:, 6] = np.digitize(rows[:, 2], [0.5, 1, 2])
    rows[:, 6] = np.array([1, 12, 2, 0])[rows[:, 6].astype(int)]
    return rows.astype(dtype)


def write_rooms(
    root: Path, areas: tuple[int, ...] = (1, 5), points: int = 4000
) -> Path:
    """Write an office and a hallway of twice its points for each area.

    Returns:
        The data set's folder, below ``root``.
    """
    rng = np.random.default_rng(0)
    folder = root / ROOM_FOLDER / 'stanford_indoor3d'
    folder.mkdir(parents=True)
    for area in areas:
        for factor, name in enumerate(ROOMS, start=1):
            rows = room_rows(points * factor, rng)
            np.save(folder / f'Area_{area}_{name}.npy', rows)
    return root / ROOM_FOLDER
