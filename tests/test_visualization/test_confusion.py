"""Confusion matrices as files."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdet3d_act.visualization import draw_confusion, write_confusion

CLASSES = ('bed', 'chair, old', 'desk')
COUNTS = np.array([[5, 0, 1], [0, 3, 0], [0, 0, 0]])


def test_the_table_reads_back(tmp_path: Path) -> None:
    path = write_confusion(COUNTS, CLASSES, tmp_path / 'new' / 'a.csv')
    with path.open(newline='') as file:
        head, *rows = csv.reader(file)
    assert head[1:] == [row[0] for row in rows] == list(CLASSES)
    assert [[int(cell) for cell in row[1:]] for row in rows] == COUNTS.tolist()


def blue(path: Path) -> int:
    """Return how many picture elements are of the darkest blue."""
    pixels = np.asarray(Image.open(path).convert('RGB')).astype(int)
    return int((np.abs(pixels - (8, 48, 107)).max(-1) < 12).sum())


def test_the_picture_shows_the_shares(tmp_path: Path) -> None:
    """As much of the darkest colour as there are rows of one class only."""
    dark = []
    for number, counts in enumerate(
        ([[4, 0], [0, 9]], [[4, 0], [5, 4]], [[2, 2], [5, 4]])
    ):
        path = tmp_path / f'{number}.png'
        assert draw_confusion(np.array(counts), 'ab', path) == path
        dark.append(blue(path))
    assert dark[0] == pytest.approx(2 * dark[1], rel=0.1)
    assert dark[1] > 1000
    assert dark[2] < 0.05 * dark[1]


def test_what_does_not_occur_is_left_out(tmp_path: Path) -> None:
    names = [f'class {index}' for index in range(40)]
    widths = []
    for number, used in enumerate((40, 3)):
        counts = np.diag([1] * used + [0] * (40 - used))
        path = draw_confusion(counts, names, tmp_path / f'{number}.png')
        widths.append(Image.open(path).width)
    assert widths[0] > 2 * widths[1]
    # A class that is only ever predicted does occur.
    counts = np.zeros((40, 40), dtype=int)
    counts[0, 1:3] = 1
    path = draw_confusion(counts, names, tmp_path / 'predicted.png')
    assert Image.open(path).width == widths[1]


@pytest.mark.parametrize(
    ('write', 'name'), [(draw_confusion, 'a.png'), (write_confusion, 'a.csv')]
)
def test_what_does_not_fit(tmp_path: Path, write, name: str) -> None:
    with pytest.raises(ValueError, match=r'must be \(2, 2\) for 2 classes'):
        write(COUNTS, 'ab', tmp_path / name)
    with pytest.raises(ValueError, match='path must end in'):
        write(COUNTS, CLASSES, tmp_path / 'a.txt')
