from __future__ import annotations

import base64
import json
import shutil
import subprocess
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch

from mmdet3d_act.visualization import write_html


class PageParser(HTMLParser):
    """Collects the data, the scripts and what would need a network."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.data, self.script, self.title, self.links = '', '', '', []
        self.is_data = False

    def handle_starttag(self, tag: str, attrs: list) -> None:
        if tag != 'meta':
            self.open.append(tag)
        self.is_data = dict(attrs).get('id') == 'data'
        self.links += [value for key, value in attrs if key in ('src', 'href')]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == 'script':
            if self.is_data:
                self.data += data
            else:
                self.script += data
        if self.open and self.open[-1] == 'title':
            self.title += data


def parse(path: Path) -> tuple[PageParser, dict]:
    page = PageParser()
    page.feed(path.read_text(encoding='utf-8'))
    page.close()
    assert page.open == []
    return page, json.loads(page.data)


@pytest.fixture
def clouds() -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    return [torch.randn(size, 3, generator=rng) for size in (40, 7)]


def test_page_holds_the_points(tmp_path: Path, clouds) -> None:
    path = write_html(
        clouds,
        tmp_path / 'p.html',
        titles=['one', '</script> & two'],
        colors=[None, (1.0, 0.5, 0.0)],
        up_axis='z',
        heading='a < b',
    )
    page, data = parse(path)
    assert page.title == 'a < b'
    assert page.links == []
    assert 'drawCloud' in page.script
    entries = data['clouds']
    assert [entry['count'] for entry in entries] == [40, 7]
    assert entries[1]['title'] == '</script> & two'
    raw = base64.b64decode(entries[0]['positions'])
    stored = np.frombuffer(raw, '<i2').reshape(40, 3) / 32767
    assert np.linalg.norm(stored, axis=1).max() == pytest.approx(1, abs=1e-3)
    original = clouds[0].double().numpy()
    middle = (original.min(axis=0) + original.max(axis=0)) / 2
    scale = np.linalg.norm(original - middle, axis=1).max()
    np.testing.assert_allclose(
        stored * scale + middle, original, atol=1e-3 * scale
    )
    tone = np.frombuffer(base64.b64decode(entries[1]['colors']), np.uint8)
    np.testing.assert_array_equal(tone.reshape(7, 3), [[255, 128, 0]] * 7)


def test_up_is_turned_to_z(tmp_path: Path) -> None:
    points = np.array([[0, 1, 0], [0, -1, 0], [0.5, 0, 0]])
    _, data = parse(write_html([points], tmp_path / 'p.html', up_axis='y'))
    raw = base64.b64decode(data['clouds'][0]['positions'])
    stored = np.frombuffer(raw, '<i2').reshape(3, 3)
    assert stored[0, 2] > 30000
    assert stored[1, 2] < -30000


def test_refuses_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='at least one cloud'):
        write_html([], tmp_path / 'p.html')


def test_refuses_too_few_titles(tmp_path: Path, clouds) -> None:
    with pytest.raises(ValueError, match='titles must have one entry'):
        write_html(clouds, tmp_path / 'p.html', titles=['one'])


def test_the_script_draws_the_cloud(tmp_path: Path) -> None:
    node = shutil.which('node')
    if node is None:
        pytest.skip('needs Node.js to run the script of the page')
    points = np.array([[1.0, 0, 0], [-1, 0, 0], [0, 0, 1], [0, 0, -1]])
    path = write_html([points], tmp_path / 'p.html', up_axis='z')
    _, data = parse(path)
    (tmp_path / 'data.json').write_text(json.dumps(data))
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
    done = subprocess.run(
        [node, '-e', program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = json.loads(done.stdout)
    assert min(rows) < 10
    assert max(rows) > 70
    assert 40 in rows
