"""Curves with error bars, as they are in the picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmdet3d_act.visualization.curves import CurvePoint, draw_curves

AXES = dict(x_label='labels', y_label='accuracy')
ACT = [CurvePoint(100, 80), CurvePoint(1, 60, 5.0), CurvePoint(10, 70, 2.0)]
SCRATCH = [CurvePoint(1, 20, 5.0), CurvePoint(10, 50, 2.0)]
# Matplotlib's first two colours.
BLUE, ORANGE = (31, 119, 180), (255, 127, 14)


def pixels(path, color) -> np.ndarray:
    """Return the (x, y) of the pixels of a colour, y upward."""
    image = np.asarray(Image.open(path).convert('RGB')).astype(int)
    near = np.abs(image - color).sum(axis=2) < 30
    rows, columns = np.nonzero(near)
    return np.stack([columns, image.shape[0] - rows], axis=1)


def test_curves_are_in_the_picture(tmp_path):
    path = tmp_path / 'deep' / 'curve.png'
    curves = dict(act=ACT, scratch=SCRATCH)
    assert draw_curves(curves, path, title='what', **AXES) == path
    blue, orange = pixels(path, BLUE), pixels(path, ORANGE)
    assert len(blue) > 200
    assert len(orange) > 200
    # ACT reaches farther to the right, and is higher where scratch is too.
    assert blue[:, 0].max() > orange[:, 0].max() + 100
    right = orange[:, 0].max() - 30
    above = blue[np.abs(blue[:, 0] - right) < 3, 1].min()
    assert above > orange[np.abs(orange[:, 0] - right) < 3, 1].max()


def test_axis_is_logarithmic_and_bars_are_as_long_as_deviations(tmp_path):
    def draw(std: float | None) -> np.ndarray:
        points = [CurvePoint(x, x**0, std) for x in (1, 10, 100)]
        points += [CurvePoint(1000, 0.0), CurvePoint(2000, 2.0)]
        path = draw_curves(dict(a=points), tmp_path / 'a.png', **AXES)
        return pixels(path, BLUE)

    short, long = draw(0.1), draw(0.4)
    assert len(long) > len(short) + 50
    none = draw(None)
    assert len(none) < len(short)


def test_ticks_are_where_the_points_are(tmp_path):
    plain = draw_curves(dict(a=ACT), tmp_path / 'a.png', **AXES)
    ticks = {1: '1 %\n(16)', 100: '100 %\n(314)'}
    named = draw_curves(dict(a=ACT), tmp_path / 'b.png', x_ticks=ticks, **AXES)
    assert plain.read_bytes() != named.read_bytes()
    again = draw_curves(dict(a=ACT), tmp_path / 'c.png', x_ticks=ticks, **AXES)
    assert again.read_bytes() == named.read_bytes()


@pytest.mark.parametrize(
    'curves', [{}, dict(a=[]), dict(a=[CurvePoint(0, 1)])]
)
def test_what_has_no_place_on_the_axis_is_refused(tmp_path, curves):
    with pytest.raises(ValueError, match='right of 0'):
        draw_curves(curves, tmp_path / 'a.png', **AXES)
    assert not list(tmp_path.iterdir())
