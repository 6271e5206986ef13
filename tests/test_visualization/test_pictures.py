from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdet3d_act.visualization import draw_clouds


@pytest.fixture
def clouds() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(60 + 20 * index, 3)) for index in range(3)]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert('RGB')).astype(int)


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
