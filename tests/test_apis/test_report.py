"""The report of a run: what the page holds, and what a browser makes of it."""

from __future__ import annotations

import base64
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmdet3d_act.apis import write_report
from mmdet3d_act.apis.report import AFTER, BEFORE, Seen, learned_rows
from mmdet3d_act.engine.failures import UsageError
from mmdet3d_act.visualization.html import SIMILARITY
from mmdet3d_act.visualization.reconstructions import Stage
from tests.test_visualization.test_sheet import page_data

CLOUD = np.random.default_rng(0).uniform(-1, 1, (90, 3))


def make_run(folder: Path, name: str) -> Path:
    """Lay a work directory with a log, a config and a checkpoint."""
    run = folder / 'run'
    for date, lines in (
        ('1', [dict(loss=3, lr=1, step=10), dict(svm_accuracy=50, step=1)]),
        ('2', [{'loss': 2, 'act.constant_baseline': 2.5, 'step': 20}]),
        ('3', [dict(svm_accuracy=99, step=0)]),  # a test
    ):
        logs = run / date / 'vis_data'
        logs.mkdir(parents=True)
        text = '\n'.join(json.dumps(line) for line in lines)
        (logs / 'scalars.json').write_text(text)
    shutil.copy(folder / f'{name}.py', run)
    # The toys' weights are those of seed 0, as the untrained network's.
    state = torch.load(folder / f'{name}.pth')['state_dict']
    for value in filter(torch.is_floating_point, state.values()):
        value *= 1.3
    torch.save(dict(state_dict=state), run / 'epoch_1.pth')
    (run / 'last_checkpoint').write_text('epoch_1.pth')
    return run


def test_a_report_holds_what_was_learned(pretrained: Path) -> None:
    run = make_run(pretrained, 'mae')
    rows = {'chance': 25, 'trained <b>': 75}
    keys = ('svm_accuracy', 'knn_accuracy')  # As of small classes.
    table = {name: dict.fromkeys(keys, value) for name, value in rows.items()}
    (run / 'result.json').write_text(json.dumps(table))
    path = write_report(run, num_clouds=2, num_searched=9)
    assert path == run / 'report.html'
    text = path.read_text('utf-8')
    assert 'trained &lt;b&gt;</td><td>75.0' in text
    for word in ('loss, steps', 'accuracy, %, epochs', 'act.constant_'):
        assert word in text
    data = page_data(path)
    first, second = data['rows']
    titles = [one['title'].split(' · ')[0] for one in first]
    assert titles == [BEFORE, AFTER, 'prediction']
    assert first[0]['count'] == 64
    assert 'blob · 8 patches' in first[0]['title']
    # Both networks see the same cloud, and see it differently.
    assert first[0]['positions'] == first[1]['positions']
    colors = [one['colors']['features (PCA)'] for one in first[:2]]
    assert colors[0] != colors[1]
    assert {'mask', 'patch', 'height'} < set(first[0]['colors'])
    assert 'error' in first[2]['colors']
    likeness = np.array(second[1]['likeness'])
    assert (likeness == likeness.T).all()
    assert (np.diag(likeness) == 255).all()
    assert max(second[1]['patches']) < len(likeness)
    gallery = data['gallery']
    assert len(gallery['items']) == 9
    picture = gallery['items'][0]['image'].partition(',')[2]
    with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
        assert image.size == (88, 88)
    for lists in gallery['neighbors'].values():
        for index, found in enumerate(lists):
            others, values = zip(*found, strict=True)
            assert index not in others
            assert list(values) == sorted(values, reverse=True)
    # Of 9 clouds spread over 2 classes.
    labels = [one['name'] for one in gallery['items']]
    same = sum(a == b for a in labels for b in labels) - 9
    assert f'by chance {same / 72:.1%}' in gallery['note']
    share = np.mean(
        [
            labels[other] == labels[index]
            for index, found in enumerate(gallery['neighbors'][AFTER])
            for other, _ in found
        ]
    )
    assert f'{AFTER} {share:.1%}' in gallery['note']


def test_clouds_with_colours_are_shown_in_them(pretrained: Path) -> None:
    run = make_run(pretrained, 'mae')
    first = Path('clouds/train/blob/blob0.npy')
    rows = np.load(first)
    first.unlink()
    names = [f'float {axis}' for axis in 'xyz']
    names += [f'uchar {name}' for name in ('red', 'green', 'blue')]
    head = '\n'.join(f'property {name}' for name in names)
    lines = [f'{x} {y} {z} 200 100 0' for x, y, z in rows]
    text = f'ply\nformat ascii 1.0\nelement vertex {len(rows)}\n{head}\n'
    first.with_suffix('.ply').write_text(
        text + 'end_header\n' + '\n'.join(lines)
    )
    rows = page_data(write_report(run, num_clouds=18))['rows']
    (colored,) = (row for row in rows if 'RGB' in row[0]['colors'])
    for panel in colored[:2]:
        tints = np.frombuffer(base64.b64decode(panel['colors']['RGB']), 'u1')
        assert (tints.reshape(64, 3) == (200, 100, 0)).all()


def test_colours_of_a_row_are_those_of_its_features() -> None:
    centers = np.array([[-0.5, 0, 0], [0.5, 0, 0], [0, 0.9, 0]])
    labels = np.argmin(((CLOUD[:, None] - centers) ** 2).sum(2), axis=1)
    features = np.array([[0.0, 3], [0, -3], [0.1, 0]])
    seen = Seen(features, np.zeros(2), centers, labels)
    hidden = np.array([[-1, -1, 4, 4, -1, -1]])  # of two points a patch
    placed = np.zeros((1, 6, 3))
    made = 1.1 * CLOUD[None]
    stages = [
        Stage('input', CLOUD[None]),
        Stage('patches', placed),
        Stage('visible: 1 of 3', placed, hidden),
        Stage('made', made, None, ['CD 1']),
    ]
    ((panel, built),) = learned_rows([CLOUD], {'net': [seen]}, stages)
    tints = panel.views['features (PCA)']
    near = np.linalg.norm(CLOUD[:, None] - centers, axis=2).argmin(axis=0)
    assert np.abs(np.diff(tints[near[:2]], axis=0)).max() > 0.3
    assert panel.patches[1][0, 1] == pytest.approx(-1, abs=1e-3)
    mask = panel.views['mask']
    for patch, yellow in ((0, True), (1, False), (2, True)):
        rows = mask[labels == patch]
        assert ((rows[:, 0] > 0.9) == yellow).all()
    assert built.title == 'made'
    assert built.caption == 'CD 1'
    assert len(built.points) == 90
    exact = learned_rows([CLOUD], {}, [*stages[:3], Stage('x', CLOUD[None])])
    assert (np.ptp(exact[0][0].views['error'], axis=0) == 0).all()
    assert (np.ptp(built.views['error'], axis=0) > 0).any()


def test_a_run_without_clouds_has_its_curves(pretrained: Path) -> None:
    run = make_run(pretrained, 'dvae')
    shutil.rmtree('clouds')
    path = write_report(run, 'there/page.html')
    assert page_data(path)['rows'] == []
    text = path.read_text('utf-8')
    assert 'No clouds are shown: ' in text
    assert 'loss, steps' in text
    with pytest.raises(UsageError, match='empty has neither'):
        write_report(Path('empty'))


def test_another_cloud_does_not_come_twice(pretrained: Path) -> None:
    run = make_run(pretrained, 'mae')
    config = run / 'mae.py'
    skipping = "test_mode=True, on_error='skip',"
    config.write_text(config.read_text().replace('test_mode=True,', skipping))
    (pretrained / 'clouds/test/blob/blob0.npy').write_bytes(b'')
    items = page_data(write_report(run, num_clouds=1))['gallery']['items']
    assert len({one['image'] for one in items}) == len(items) == 17


def test_an_autoencoder_has_a_report(pretrained: Path) -> None:
    path = write_report(make_run(pretrained, 'dvae'), num_clouds=1)
    (row,) = page_data(path)['rows']
    assert [one['title'].split(' · ')[0] for one in row[2:]] == [
        'coarse',
        'dense',
    ]


@pytest.mark.slow
def test_a_browser_shows_the_page(pretrained: Path) -> None:
    """Skipped without playwright (the extra `report`) and chromium."""
    api = pytest.importorskip('playwright.sync_api')
    program = shutil.which('chromium') or shutil.which('google-chrome')
    if program is None:
        pytest.skip("needs Debian's package chromium")
    path = write_report(make_run(pretrained, 'mae'), num_clouds=2)
    options = [
        '--no-sandbox',
        '--use-angle=swiftshader',
        '--enable-unsafe-swiftshader',
        '--ignore-gpu-blocklist',
    ]
    told, asked = [], []
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=options)
        page = browser.new_page(color_scheme='dark')
        page.on('console', lambda message: told.append(message.text))
        page.on('pageerror', lambda error: told.append(str(error)))
        page.on('request', lambda request: asked.append(request.url))
        page.goto(path.resolve().as_uri())
        shown = (
            'new Promise(done => setTimeout(() => done(document.'
            'querySelectorAll("canvas")[1].toDataURL()), 500))'
        )
        canvas = page.locator('canvas').nth(1)
        canvas.scroll_into_view_if_needed()
        before = page.evaluate(shown)
        canvas.press('ArrowLeft')
        turned = page.evaluate(shown)
        canvas.press('0')
        assert page.evaluate(shown) == before != turned
        canvas.press('Enter')
        assert page.locator('#bar select').input_value() == SIMILARITY
        assert page.evaluate(shown) != before
        page.locator('#bar select').select_option('mask')
        masked = page.evaluate(shown)
        for x in range(30, 90, 4):  # the cloud has gaps
            canvas.click(
                position={
                    'x': x,
                    'y': 0.5
                    * page.evaluate(
                        'document.querySelectorAll("canvas")[1].clientHeight'
                    ),
                }
            )
        assert page.locator('#bar select').input_value() == SIMILARITY
        assert page.evaluate(shown) != masked
        page.locator('#gallery > .shelf button').nth(3).click()
        assert page.locator('#gallery button[aria-pressed=true]').count() == 1
        browser.close()
    assert not told
    assert [url for url in asked if not url.startswith('data:')] == [
        path.resolve().as_uri()
    ]
