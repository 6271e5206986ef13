"""Sheets of panels as pictures, web pages and PLY files."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from plyfile import PlyData

from mmdet3d_act.visualization import (
    Boxes,
    Panel,
    draw_sheet,
    render_sheet,
    write_html,
    write_ply,
    write_ply_files,
)

CLOUD = np.random.default_rng(0).normal(size=(60, 3))
RED = Panel('', CLOUD, np.full((60, 3), (0.9, 0.1, 0.1)))
BLUE = RED._replace(colors=np.full((60, 3), (0.1, 0.1, 0.9)))


def render(*rows: list[Panel], **options: object) -> np.ndarray:
    return render_sheet(rows, panel=60, **options).astype(int)


def test_panels_stand_in_their_places() -> None:
    got = render([RED, BLUE], [Panel(), RED])
    assert got.shape == (2 * 66 + 6, 2 * 66 + 6, 3)
    red = got[..., 0] > 1.5 * got[..., 2]
    blue = got[..., 2] > 1.5 * got[..., 0]
    assert red[6:66, 6:66].any()
    assert blue[6:66, 72:132].any()
    assert red[72:132, 72:132].any()
    assert (got[72:132, 6:66] == 255).all()
    np.testing.assert_array_equal(got[6:66, 6:66], got[72:132, 72:132])


def test_text_stands_above_and_titles_of_a_column_once() -> None:
    plain = render([RED], [RED])
    same = render([RED._replace(title='a')], [RED._replace(title='a')])
    others = render([RED._replace(title='a')], [RED._replace(title='b')])
    line = len(same) - len(plain)
    assert len(others) - len(plain) == 2 * line
    assert (same[6 : 6 + line] < 128).any()
    np.testing.assert_array_equal(same[6 + line :], plain[6:])
    # A panel alone has its own title, not one of a column.
    alone = render([RED._replace(title='a')])
    assert (alone == others[: len(alone)]).mean() > 0.99
    text = RED._replace(caption='two\nlines')
    np.testing.assert_array_equal(render([text])[-66:-6], plain[6:66])


def test_legend_and_file(tmp_path: Path) -> None:
    colors = dict(bed=(0, 0, 0.8), chair=(0, 0.8, 0))
    path = draw_sheet([[RED]], tmp_path / 'a' / 'b.png', legend=colors)
    with Image.open(path) as image:
        got = np.asarray(image).astype(int)
    below = got[6 + 220 + 6 :]
    for channel in (1, 2):
        others = np.delete(below, channel, axis=-1).max(axis=-1)
        assert ((below[..., channel] - others) > 150).sum() > 60


def page_data(path: Path) -> dict:
    found = re.search(r'id="data">(.*?)</script>', path.read_text('utf-8'))
    return json.loads(found[1])


def test_page_holds_the_points(tmp_path: Path) -> None:
    rows = [[RED._replace(title='</script> & two')], [Panel(message='x'), RED]]
    path = write_html(rows, tmp_path / 'p.html', up_axis='y', heading='a < b')
    page = path.read_text('utf-8')
    assert '<title>a &lt; b</title>' in page
    assert 'new THREE.WebGLRenderer' in page
    (first,), (empty, other) = page_data(path)['rows']
    assert page_data(path)['columns'] == 2
    assert [one['count'] for one in (first, empty, other)] == [60, 0, 60]
    assert first['title'] == '</script> & two'
    assert empty['title'] == 'x'
    raw = base64.b64decode(first['positions'])
    stored = np.frombuffer(raw, '<i2').reshape(60, 3) / 32767
    assert np.linalg.norm(stored, axis=1).max() == pytest.approx(1, abs=1e-3)
    turned = CLOUD[:, [2, 0, 1]]
    middle = (turned.min(axis=0) + turned.max(axis=0)) / 2
    scale = np.linalg.norm(turned - middle, axis=1).max()
    np.testing.assert_allclose(stored * scale + middle, turned, atol=1e-3)
    tone = np.frombuffer(base64.b64decode(first['colors']['']), np.uint8)
    np.testing.assert_array_equal(tone.reshape(60, 3)[7], [230, 26, 26])


def test_page_loads_nothing(tmp_path: Path) -> None:
    page = write_html([[RED]], tmp_path / 'p.html').read_text('utf-8')
    assert "default-src 'none'" in page
    outside = r'(src|href|action)\s*=\s*["\']?\s*(https?:)?//|url\(|@import'
    assert not re.search(outside, page.partition('<script>')[0])
    assert not re.search(r'<(script|link|img|iframe)[^>]*(src|href)', page)


def test_page_holds_boxes_views_and_likeness(tmp_path: Path) -> None:
    boxes = Boxes(
        np.arange(48.0).reshape(2, 8, 3), np.eye(3)[:2], np.array([0.9, 0.1])
    )
    panel = RED._replace(
        boxes=boxes._replace(min_score=0.5),
        views={'blue': BLUE.colors},
        patches=(np.arange(60) % 2, np.array([[1, -1], [-1, 1]])),
    )
    path = write_html(
        [[panel]], tmp_path / 'p.html', up_axis='z', legend={'bed': (1, 0, 0)}
    )
    assert page_data(path)['legend'] == {'bed': [255, 0, 0]}
    entry = page_data(path)['rows'][0][0]
    assert entry['count'] == 60
    assert [len(one) for one in entry['boxes']['edges']] == [12 * 6] * 2
    assert entry['boxes']['scores'] == [0.9, 0.1]
    assert entry['boxes']['least'] == 0.5
    assert entry['likeness'] == [[255, 0], [0, 255]]
    assert entry['patches'][:3] == [0, 1, 0]
    tone = np.frombuffer(base64.b64decode(entry['colors']['blue']), np.uint8)
    assert tone[:3].tolist() == [26, 26, 230]


def test_ply_files_are_read_back(tmp_path: Path) -> None:
    colors = np.array([[1, 0, 0], [0, 0.5, 0]])
    path = write_ply(torch.tensor(CLOUD[:2]), tmp_path / 'new/a.ply', colors)
    file = PlyData.read(path)
    assert file.byte_order == '<'
    vertex = file['vertex']
    got = np.stack([vertex[axis] for axis in 'xyz'], axis=1)
    np.testing.assert_array_equal(got, CLOUD[:2].astype(np.float32))
    tones = np.stack([vertex[c] for c in ('red', 'green', 'blue')], axis=1)
    np.testing.assert_array_equal(tones, [[255, 0, 0], [0, 128, 0]])
    rows = [[RED._replace(title='64 patches'), Panel()], [RED]]
    paths = write_ply_files(rows, tmp_path, ['a/b', 'c'])
    names = [path.name for path in paths]
    assert names == ['0_a-b_0_64-patches.ply', '1_c_0_x.ply']
    assert 'red' in PlyData.read(paths[0])['vertex']
