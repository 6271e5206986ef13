"""Confusion matrices and curves, as they are in the files."""

from __future__ import annotations

import csv
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from mmdet3d_act.visualization import (
    CurvePoint,
    curves_svg,
    draw_confusion,
    draw_curves,
    write_confusion,
)

AXES = dict(x_label='labels', y_label='accuracy')
# Matplotlib's first two colours, and the darkest of a matrix.
BLUE, ORANGE, DARK = (31, 119, 180), (255, 127, 14), (8, 48, 107)


def pixels(path: Path, color: tuple) -> np.ndarray:
    """Find the (x, y) of the pixels of a colour, y upward."""
    image = np.asarray(Image.open(path).convert('RGB')).astype(int)
    rows, columns = np.nonzero(np.abs(image - color).sum(axis=2) < 30)
    return np.stack([columns, image.shape[0] - rows], axis=1)


def test_the_table_of_a_matrix_reads_back(tmp_path: Path) -> None:
    classes, counts = ['bed', 'chair, old'], np.array([[5, 1], [0, 3]])
    path = write_confusion(counts, classes, tmp_path / 'new' / 'a.csv')
    with path.open(newline='') as file:
        head, *rows = csv.reader(file)
    assert head[1:] == [row[0] for row in rows] == classes
    assert [[int(cell) for cell in row[1:]] for row in rows] == counts.tolist()


def test_the_picture_of_a_matrix_shows_shares(tmp_path: Path) -> None:
    """As much of the darkest colour as there are rows of one class only."""
    dark = []
    for counts in ([[4, 0], [0, 9]], [[4, 0], [5, 4]], [[2, 2], [5, 4]]):
        path = draw_confusion(np.array(counts), 'ab', tmp_path / 'a.png')
        dark.append(len(pixels(path, DARK)))
    assert dark[0] == pytest.approx(2 * dark[1], rel=0.1)
    assert dark[1] > 1000
    assert dark[2] < 0.05 * dark[1]


def test_curves_are_in_the_picture(tmp_path: Path) -> None:
    act = [CurvePoint(100, 80), CurvePoint(1, 60, 5.0), CurvePoint(10, 70)]
    curves = dict(act=act, scratch=[CurvePoint(1, 20), CurvePoint(10, 50)])
    path = draw_curves(curves, tmp_path / 'deep' / 'curve.png', **AXES)
    blue, orange = pixels(path, BLUE), pixels(path, ORANGE)
    # ACT reaches farther to the right, and is higher where scratch is too.
    assert blue[:, 0].max() > orange[:, 0].max() + 100
    right = orange[:, 0].max() - 30
    above = blue[np.abs(blue[:, 0] - right) < 3, 1].min()
    assert above > orange[np.abs(orange[:, 0] - right) < 3, 1].max()


def test_charts_of_a_page_have_no_fixed_colour_of_text() -> None:
    charts = {
        'loss < 1': {'a': [(1, 0.5), (2, 0.4)], 'b': [(1, 1.0)]},
        'perplexity': {'perplexity': [(1, 3.0)]},
    }
    svg = curves_svg(charts)
    assert svg.startswith('<svg')
    assert svg == curves_svg(charts)
    root = ElementTree.fromstring(svg)
    space = '{http://www.w3.org/2000/svg}'
    texts = [one.text for one in root.iter(f'{space}text')]
    assert {'loss < 1', 'a', 'b', 'perplexity'} <= set(texts)
    assert '#000000' not in svg
    assert 'currentColor' in svg
