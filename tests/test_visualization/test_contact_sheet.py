from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdet3d_act.visualization import contact_sheet
from mmdet3d_act.visualization.browsing import Step, Trace
from mmdet3d_act.visualization.contact_sheet import (
    draw_traces,
    write_traces_html,
)

RNG = np.random.default_rng(0)
CLOUD = RNG.uniform(-1, 1, size=(80, 3)).astype(np.float32)
PANEL = 100


def trace(*steps: Step, name: str = 'chair [3]', epoch: int = 0) -> Trace:
    return Trace(name, epoch, 1, list(steps))


def step(scale: float = 1.0, **changes: object) -> Step:
    return Step('Load', True, scale * CLOUD)._replace(**changes)


def drawn(tmp_path: Path, traces: list[Trace], **options) -> np.ndarray:
    path = draw_traces(traces, tmp_path / 's.png', panel=PANEL, **options)
    with Image.open(path) as image:
        return np.asarray(image.convert('RGB')).astype(int)


def column(picture: np.ndarray, index: int) -> np.ndarray:
    return picture[:, 6 + 106 * index : 106 * (index + 1)]


def width(part: np.ndarray) -> int:
    """Return the width of what is coloured, which text is not."""
    inked = np.argwhere(np.ptp(part, axis=-1) > 40)
    return int(np.ptp(inked[:, 1]))


def test_a_row_per_trace_and_a_column_per_step(tmp_path: Path) -> None:
    traces = [trace(step(), step(), epoch=epoch) for epoch in (0, 1)]
    got = drawn(tmp_path, traces, classes=['sofa', 'chair'])
    assert got.shape[1] == 3 * 106 + 6
    single = drawn(tmp_path, traces[:1], classes=['sofa', 'chair'])
    assert got.shape[0] - single.shape[0] > PANEL


def test_steps_share_the_scale_of_what_is_fed(tmp_path: Path) -> None:
    got = drawn(tmp_path, [trace(step(0.6), step())])
    assert width(column(got, 1)) < 0.8 * width(column(got, 2))


def test_what_would_be_cut_off_has_its_own_scale(tmp_path: Path) -> None:
    got = drawn(tmp_path, [trace(step(1.4), step())])
    widths = [width(column(got, index)) for index in (1, 2)]
    assert max(widths) - min(widths) < 6


def test_what_is_far_off_has_its_own_scale(tmp_path: Path) -> None:
    got = drawn(tmp_path, [trace(step(1000.0), step(0.001), step())])
    widths = [width(column(got, index)) for index in (1, 2, 3)]
    assert max(widths) - min(widths) < 6


def test_patches_are_coloured_and_the_rest_is_grey(tmp_path: Path) -> None:
    none = step(patches=np.full(80, -1))
    some = step(patches=np.arange(80) % 5)
    got = drawn(tmp_path, [trace(none, some)])
    assert np.ptp(column(got, 1), axis=-1).max() < 40
    assert np.ptp(column(got, 2), axis=-1).max() > 60


@pytest.mark.parametrize('kind', ['points', 'boxes'])
def test_annotations_are_coloured_by_class(tmp_path: Path, kind: str) -> None:
    known = dict(labels=np.zeros(80, np.int64))
    if kind == 'boxes':
        known = dict(
            boxes=np.array([[0, 0, 0, 1, 1, 1, 0.0]]), labels=np.zeros(1, int)
        )
    last = step(points=CLOUD, **known)
    traces = [trace(step(), last)]
    options = dict(classes=['sofa'], palette=[(250, 0, 0)], up_axis='z')
    got = drawn(tmp_path, traces, **options)
    red = [
        int((part[..., 0] > 3 * part[..., 1:].max(axis=-1)).sum())
        for part in (column(got, 1), column(got, 2))
    ]
    assert red[1] > red[0] + 100
    text = contact_sheet._describe(traces[0], ['sofa'])
    said = dict(points='1 class', boxes='1 box of 1 class')[kind]
    assert text.endswith(f'\n{said}')


def test_faults_are_text(tmp_path: Path) -> None:
    fault = Step('Load', True, None, None, 'BadSampleError: empty file')
    nan = step(points=np.full((4, 3), np.nan))
    got = drawn(tmp_path, [trace(fault), trace(nan), trace(step())])
    red = (got[..., 0] - got[..., 2]) > 80
    thirds = len(got) // 3
    assert red[:thirds].any()
    assert red[thirds : 2 * thirds].any()


def test_pages_hold_the_clouds(tmp_path: Path) -> None:
    blank = Step('Blank', False, None)
    path = write_traces_html(
        [trace(step(), blank, step())], tmp_path / 's.html'
    )
    text = path.read_text()
    assert text.count('"positions"') == 2
    assert 'chair [3], epoch 0' in text


def test_refuses_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='at least one, got none'):
        draw_traces([], tmp_path / 's.png')
