"""Pictures of checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdet3d_act.apis import build_dataset, draw_model, load_model
from mmdet3d_act.apis.pictures import choose_indices
from mmdet3d_act.engine.launch import UsageError, load_config

PANEL = 40


@pytest.fixture
def parts(pretrained):
    cfg = load_config('mae.py')
    model = load_model(cfg, 'mae.pth', 'mae.py')
    return model, build_dataset(cfg, 'mae.py')


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_writes_what_is_asked_for(parts) -> None:
    paths = draw_model(
        *parts, 'out', num_samples=3, ply=True, html=True, panel=PANEL
    )
    assert [path.name for path in paths] == [
        'reconstruction.png',
        'reconstruction.html',
        '0_blob_0_input.ply',
    ]
    assert len(list(Path('out/ply').glob('*.ply'))) == 3 * 4
    assert picture(paths[0]).shape[1] == 4 * (PANEL + 6) + 6
    (only,) = draw_model(*parts, 'plain', num_samples=3, panel=PANEL)
    np.testing.assert_array_equal(picture(only), picture(paths[0]))
    assert [path.name for path in Path('plain').iterdir()] == [only.name]


def test_absent_samples_are_refused() -> None:
    assert choose_indices(range(5), 2, None) == [0, 2]
    assert choose_indices(range(5), 2, [4, 1, 1]) == [4, 1, 1]
    with pytest.raises(UsageError, match=r'samples 0 to 4, got \[5, -1\]'):
        choose_indices(range(5), 2, [5, 0, -1])
