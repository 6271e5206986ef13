from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmdet3d_act.visualization import draw_clouds, draw_reconstruction


@pytest.fixture
def clouds() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(60 + 20 * index, 3)) for index in range(3)]


@pytest.fixture
def fields() -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    points = torch.randn(2, 50, 3, generator=rng)
    centers = points[:, :5]
    return {
        'points': points,
        'centers': centers,
        'neighborhoods': 0.1 * torch.randn(2, 5, 6, 3, generator=rng),
        'mask': torch.tensor([[True, True, False, True, False]] * 2),
        'coarse': torch.randn(2, 10, 3, generator=rng),
        'fine': torch.randn(2, 30, 3, generator=rng),
    }


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert('RGB')).astype(int)


def inked(path: Path) -> float:
    return float((pixels(path) < 245).any(axis=-1).mean())


def test_sheet_has_a_picture_per_cloud(tmp_path: Path, clouds) -> None:
    path = draw_clouds(
        clouds, ['a', 'b', 'c'], tmp_path / 'x' / 's.png', columns=3, panel=50
    )
    assert path == tmp_path / 'x' / 's.png'
    sheet = pixels(path)
    assert sheet.shape == (22 + 6 + 50 + 6, 3 * 56 + 6, 3)
    for index in range(3):
        panel = sheet[28:78, 6 + 56 * index : 56 + 56 * index]
        assert (panel < 245).any(axis=-1).mean() > 0.02
    assert (sheet[6:28] < 128).any()


def test_sheet_without_titles_is_square(tmp_path: Path, clouds) -> None:
    path = draw_clouds(clouds, None, tmp_path / 's.png', panel=40)
    assert pixels(path).shape == (2 * 46 + 6, 2 * 46 + 6, 3)


def test_sheets_differ_with_points_colors_and_axis(
    tmp_path: Path, clouds
) -> None:
    variants = [
        (clouds, {}),
        ([-cloud for cloud in clouds], {}),
        (clouds, {'colors': [(1.0, 0.0, 0.0)] * 3}),
        (clouds, {'colors': [None, np.arange(80), None]}),
        (clouds, {'up_axis': 'z'}),
    ]
    seen = set()
    for index, (shown, options) in enumerate(variants):
        path = tmp_path / f'{index}.png'
        draw_clouds(shown, None, path, panel=40, **options)
        seen.add(pixels(path).tobytes())
    assert len(seen) == len(variants)


def test_long_titles_are_cut(tmp_path: Path, clouds) -> None:
    path = draw_clouds(clouds[:1], ['w' * 99], tmp_path / 's.png', panel=60)
    assert pixels(path).shape[1] == 72
    assert (pixels(path)[:, 68:] > 250).all()


def test_sheet_refuses_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='at least one cloud, got none'):
        draw_clouds([], None, tmp_path / 's.png')


def test_sheet_names_the_bad_cloud(tmp_path: Path, clouds) -> None:
    with pytest.raises(ValueError, match=r'clouds\[1\] must have shape'):
        draw_clouds([clouds[0], clouds[1][None]], None, tmp_path / 's.png')


def test_sheet_refuses_too_few_titles(tmp_path: Path, clouds) -> None:
    with pytest.raises(ValueError, match='got 1 for 3 clouds'):
        draw_clouds(clouds, ['a'], tmp_path / 's.png')


def test_reconstruction_has_a_row_per_cloud(tmp_path: Path, fields) -> None:
    path = draw_reconstruction(
        *fields.values(), tmp_path / 'r.png', panel=60, titles=['a', 'b']
    )
    assert pixels(path).shape == (2 * 88 + 6, 5 * 66 + 6, 3)
    single = [value[0] for value in fields.values()]
    path = draw_reconstruction(*single, tmp_path / 'one.png', panel=60)
    assert pixels(path).shape == (88 + 6, 5 * 66 + 6, 3)


def test_what_is_absent_is_left_out(tmp_path: Path, fields) -> None:
    only = {**fields, 'mask': None, 'coarse': None}
    path = draw_reconstruction(*only.values(), tmp_path / 'r.png', panel=60)
    assert pixels(path).shape[1] == 3 * 66 + 6


@pytest.mark.parametrize('name', ['points', 'neighborhoods', 'mask', 'fine'])
def test_reconstruction_shows_each_field(
    tmp_path: Path, fields, name: str
) -> None:
    first = draw_reconstruction(*fields.values(), tmp_path / 'a.png', panel=60)
    value = fields[name]
    changed = ~value if value.dtype == torch.bool else value * 0.6 + 0.1
    other = {**fields, name: changed}
    second = draw_reconstruction(*other.values(), tmp_path / 'b.png', panel=60)
    assert inked(first) > 0.02
    assert (pixels(first) != pixels(second)).any()


def test_masked_patches_are_grey(tmp_path: Path, fields) -> None:
    shades = []
    for masked in (True, False):
        mask = torch.full((2, 5), masked)
        given = {**fields, 'mask': mask, 'coarse': None, 'fine': None}
        path = draw_reconstruction(*given.values(), tmp_path / 'r.png')
        panel = pixels(path)[28:288, 2 * 266 + 6 : 3 * 266]
        shades.append(np.ptp(panel, axis=-1).max())
    assert shades[0] < 12 < shades[1]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'mask': torch.zeros(2, 4)}, r'mask must have shape \(B, G\)'),
        ({'centers': None}, 'must be given together'),
        ({'fine': torch.zeros(3, 9, 3)}, 'fine must hold 2 clouds'),
        ({'neighborhoods': torch.zeros(2, 5, 3)}, r'\(B, G, K, 3\)'),
        ({'centers': None, 'neighborhoods': None}, 'mask needs centers'),
        ({'points': torch.zeros(3)}, r'points must have shape'),
    ],
)
def test_reconstruction_refuses_what_does_not_fit(
    tmp_path: Path, fields, change: dict, message: str
) -> None:
    given = {**fields, **change}
    with pytest.raises(ValueError, match=message):
        draw_reconstruction(*given.values(), tmp_path / 'r.png')
