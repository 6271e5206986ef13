from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmdet3d_act.visualization import (
    Stage,
    draw_stages,
    render_stages,
    spread_labels,
    write_stages_html,
    write_stages_ply,
)

PANEL = 60
STEP = PANEL + 6


@pytest.fixture
def stages() -> list[Stage]:
    rng = torch.Generator().manual_seed(0)
    points = torch.randn(2, 50, 3, generator=rng)
    labels = torch.arange(50).expand(2, -1) % 7 - 1
    return [
        Stage('input', points, None, ['50', '50']),
        Stage('parts', points, labels),
        Stage('made', 0.5 * points[:, :20], None, ['CD 1', 'CD 2']),
    ]


def panels(picture: np.ndarray, rows: int, columns: int) -> list[list]:
    """Return the pictures of the clouds, without text."""
    height = picture.shape[0] - 6 - 22  # margin and heads
    row = height // rows
    return [
        [
            picture[28 + row * r + row - STEP :][
                :PANEL, 6 + STEP * c : STEP * (c + 1)
            ].astype(int)
            for c in range(columns)
        ]
        for r in range(rows)
    ]


def test_a_row_per_cloud_and_a_column_per_stage(stages) -> None:
    got = render_stages(stages, names=['a', 'b'], panel=PANEL)
    assert got.dtype == np.uint8
    assert got.shape == (6 + 22 + 2 * (22 + STEP), 3 * STEP + 6, 3)
    for row in panels(got, 2, 3):
        assert all((panel < 245).any() for panel in row)


def test_a_row_keeps_the_scale_of_its_first_stage(stages) -> None:
    got = panels(render_stages(stages, panel=PANEL), 2, 3)
    spans = []
    for panel in (got[0][0], got[0][2]):
        inked = np.argwhere((panel < 245).any(axis=-1))
        spans.append(np.ptp(inked, axis=0).max())
    # The last stage is half the size, which a fitted view would hide.
    assert spans[1] < 0.75 * spans[0]


def test_grey_is_what_has_no_label(stages) -> None:
    shades = []
    for label in (-1, 3):
        labels = torch.full((2, 50), label)
        only = [Stage('x', stages[0].points, labels)]
        picture = render_stages(only, panel=PANEL)
        shades.append(np.ptp(panels(picture, 2, 1)[0][0], axis=-1).max())
    assert shades[0] < 12 < shades[1]


def test_colours_by_height_follow_the_first_stage(stages) -> None:
    points = stages[0].points
    low = points[:, :, 1].argsort(dim=1)[:, :5]
    lowest = torch.stack([p[i] for p, i in zip(points, low, strict=True)])
    got = panels(
        render_stages(
            [stages[0], Stage('low', lowest)], up_axis='y', panel=PANEL
        ),
        2,
        2,
    )
    part = got[0][1][(got[0][1] < 245).any(axis=-1)]
    # The lowest points are blue, as they are in the whole cloud.
    assert (part[:, 2] > part[:, 0]).mean() > 0.95


def test_png_holds_what_is_rendered(tmp_path: Path, stages) -> None:
    path = draw_stages(stages, tmp_path / 'x' / 's.png', panel=PANEL)
    with Image.open(path) as image:
        got = np.asarray(image)
    np.testing.assert_array_equal(got, render_stages(stages, panel=PANEL))


def test_html_has_every_cloud(tmp_path: Path, stages) -> None:
    path = write_stages_html(stages, tmp_path / 's.html', names=['a', 'b'])
    text = path.read_text()
    assert text.count('"positions"') == 6
    assert '"columns": 3' in text
    assert 'made \\u00b7 b \\u00b7 CD 2' in text


def test_ply_has_every_cloud(tmp_path: Path, stages) -> None:
    paths = write_stages_ply(stages, tmp_path, names=['a/b', 'c'])
    assert [path.name for path in paths] == [
        f'{row}_{name}_{column}_{title}.ply'
        for row, name in enumerate(['a-b', 'c'])
        for column, title in enumerate(['input', 'parts', 'made'])
    ]
    plyfile = pytest.importorskip('plyfile')
    vertex = plyfile.PlyData.read(paths[5])['vertex']
    np.testing.assert_allclose(vertex['x'], stages[2].points[1, :, 0])


def test_neighbouring_patches_get_different_labels() -> None:
    centers = torch.linspace(0, 1, 12)[None, :, None].repeat(1, 1, 3)
    labels = spread_labels(centers)
    assert labels.shape == (1, 12)
    assert (np.diff(labels[0]) != 0).all()
    np.testing.assert_array_equal(
        spread_labels(centers.flip(1))[0], labels[0][::-1]
    )


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(points=torch.zeros(3, 5, 3)), 'must hold 2 clouds'),
        (dict(points=torch.zeros(2, 5)), r'\(B, P, 3\), got \(2, 5\)'),
        (dict(labels=torch.zeros(2, 9)), r'labels of parts must have shape'),
        (dict(captions=['a']), 'one caption per cloud, got 1 for 2'),
    ],
)
def test_refuses_what_does_not_fit(stages, change, message) -> None:
    wrong = [stages[0], stages[1]._replace(**change)]
    with pytest.raises(ValueError, match=message):
        render_stages(wrong)


def test_refuses_nothing_and_wrong_names(stages) -> None:
    with pytest.raises(ValueError, match='at least one stage'):
        render_stages([])
    with pytest.raises(ValueError, match='got 3 for 2'):
        render_stages(stages, names=['a', 'b', 'c'])
