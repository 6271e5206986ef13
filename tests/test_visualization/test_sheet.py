"""Sheets of panels as pictures, web pages and PLY files."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from plyfile import PlyData

from mmdet3d_act.visualization import (
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


def data(path: Path) -> dict:
    found = re.search(r'id="data">(.*?)</script>', path.read_text('utf-8'))
    return json.loads(found[1])


def test_page_holds_the_points(tmp_path: Path) -> None:
    rows = [[RED._replace(title='</script> & two')], [Panel(message='x'), RED]]
    path = write_html(rows, tmp_path / 'p.html', up_axis='y', heading='a < b')
    page = path.read_text('utf-8')
    assert '<title>a &lt; b</title>' in page
    assert not re.search(r'(src|href)=', page)  # needs no network
    entries = data(path)['clouds']
    assert data(path)['columns'] == 2
    assert [entry['count'] for entry in entries] == [60, 0, 0, 60]
    assert entries[0]['title'] == '</script> & two'
    assert entries[2]['title'] == 'x'
    raw = base64.b64decode(entries[0]['positions'])
    stored = np.frombuffer(raw, '<i2').reshape(60, 3) / 32767
    assert np.linalg.norm(stored, axis=1).max() == pytest.approx(1, abs=1e-3)
    turned = CLOUD[:, [2, 0, 1]]
    middle = (turned.min(axis=0) + turned.max(axis=0)) / 2
    scale = np.linalg.norm(turned - middle, axis=1).max()
    np.testing.assert_allclose(stored * scale + middle, turned, atol=1e-3)
    tone = np.frombuffer(base64.b64decode(entries[0]['colors']), np.uint8)
    np.testing.assert_array_equal(tone.reshape(60, 3)[7], [230, 26, 26])


@pytest.mark.skipif(not shutil.which('node'), reason='needs Node.js')
def test_the_script_draws_the_cloud(tmp_path: Path) -> None:
    points = np.array([[1.0, 0, 0], [-1, 0, 0], [0, 0, 1], [0, 0, -1]])
    rows = [[Panel('', points, np.zeros((4, 3)))]]
    path = write_html(rows, tmp_path / 'p.html', up_axis='z')
    (tmp_path / 'data.json').write_text(json.dumps(data(path)))
    viewer = resources.files('mmdet3d_act.visualization') / 'viewer.js'
    (tmp_path / 'viewer.js').write_text(viewer.read_text(encoding='utf-8'))
    program = """
        const { readCloud, drawCloud } = require('./viewer.js');
        const data = require('./data.json');
        const size = 80, pixels = new Uint8ClampedArray(4 * size * size);
        const camera = { azimuth: 0, elevation: 0, zoom: 1 };
        drawCloud(readCloud(data.clouds[0]), pixels, size, camera);
        const rows = new Set();
        for (let i = 0; i < size * size; i++)
          if (pixels[4 * i] < 250) rows.add(Math.floor(i / size));
        console.log(JSON.stringify([...rows]));
    """
    command = ['node', '-e', program]
    printed = subprocess.check_output(command, cwd=tmp_path, text=True)
    rows = json.loads(printed)
    assert min(rows) < 10
    assert max(rows) > 70
    assert 40 in rows


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
