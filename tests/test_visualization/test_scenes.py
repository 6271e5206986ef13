"""Pictures of scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmdet3d_act.visualization import scenes
from mmdet3d_act.visualization.scenes import (
    box_edges,
    box_panel,
    class_colors,
    draw_scene_panels,
    error_panel,
    label_panel,
    plain_panel,
    write_scene_html,
)

POINTS = np.random.default_rng(0).uniform(0, 3, (500, 3))
BOX = [[1.0, 1, 1, 1, 2, 0.5, 0.3]]
RED, GREEN = (0.9, 0.1, 0.1), (0.1, 0.8, 0.2)
COLORS = np.array([RED, GREEN])


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(float)


def reddish(image: np.ndarray) -> int:
    return int((image[..., 0] > 1.8 * image[..., 1:].max(-1)).sum())


def test_edges_are_on_the_box() -> None:
    places, owners = box_edges(torch.tensor(BOX * 2), spacing=0.1)
    assert len(places) == len(owners)
    assert np.bincount(owners).tolist() == [len(owners) // 2] * 2
    cos, sin = np.cos(-0.3), np.sin(-0.3)
    x, y, z = (places - 1).T
    local = np.stack([cos * x - sin * y, sin * x + cos * y, z], axis=1)
    on_face = np.isclose(np.abs(local), [0.5, 1, 0.25])
    # Two faces meet in an edge.
    assert (on_face.sum(1) >= 2).all()
    assert np.abs(local).max(0) == pytest.approx([0.5, 1, 0.25])


def test_no_boxes_have_no_edges() -> None:
    places, owners = box_edges(torch.zeros(0, 7), 0.1)
    assert places.shape == (0, 3)
    panel = box_panel('none', POINTS, torch.zeros(0, 7), [], COLORS)
    assert panel.caption == '0 boxes'
    assert len(panel.points) == len(POINTS) == len(panel.colors)
    assert len(owners) == 0


def test_millimetres_cost_what_metres_do() -> None:
    metres = box_panel('', POINTS, BOX, [0], COLORS)
    box = np.array(BOX)
    box[:, :6] *= 1000
    others = box_panel('', 1000 * POINTS, box, [0], COLORS)
    assert len(others.points) == len(metres.points)
    np.testing.assert_allclose(others.points, 1000 * metres.points, rtol=1e-4)
    # Nor do boxes of any size, or scenes of one point.
    places, _ = box_edges(1e9 * np.array(BOX), 0.01)
    assert len(places) == 12 * scenes.MAX_EDGE
    assert len(box_panel('', POINTS[:1], BOX, [0], COLORS).points) < 1e4


def test_boxes_are_seen(tmp_path: Path) -> None:
    rows = [
        [
            plain_panel('cloud', POINTS),
            box_panel('annotated', POINTS, BOX, [0], COLORS),
            box_panel('predicted', POINTS, torch.zeros(0, 6), [], COLORS),
        ]
    ]
    path = draw_scene_panels(
        rows, tmp_path / 'new' / 'scenes.png', panel=90, legend={'bed': RED}
    )
    image = picture(path)
    width = 90 + 6
    assert image.shape[1] == 3 * width + 6
    columns = [
        reddish(image[:130, width * i + 6 : width * (i + 1)]) for i in range(3)
    ]
    assert columns[1] > 50
    assert columns[0] == columns[2] == 0
    assert reddish(image[130:]) > 50  # the legend


def test_boxes_beside_the_points_are_seen(tmp_path: Path) -> None:
    flat = POINTS * [1, 1, 0]
    far = np.array([[-0.4, 3.4, 0.1, 0.3, 0.3, 0.2]])

    def width(box: np.ndarray) -> int:
        row = [plain_panel('', flat), box_panel('', flat, box, [0], COLORS)]
        path = draw_scene_panels([row], tmp_path / 'scenes.png', panel=200)
        # To the right and to the left of the panel there is white.
        panel = picture(path)[50:, 212:412]
        inked = np.flatnonzero((panel.min(axis=-1) < 250).any(axis=0))
        assert inked[0] > 2
        assert inked[-1] < 197
        return int(np.ptp(inked))

    assert width(far) > 140
    assert reddish(picture(tmp_path / 'scenes.png')) > 30
    # What is far away does not make all the rest small.
    assert width(far * [1, 100, 1, 1, 1, 1]) > 100


def test_labels_and_errors() -> None:
    labels = np.zeros(500, np.int64)
    labels[:100] = 5  # no class
    found = labels.copy()
    found[100:180] = 1
    panel = label_panel('annotated', POINTS, labels, COLORS)
    assert panel.colors[0].tolist() == [0.88] * 3
    assert panel.colors[300].tolist() == list(RED)
    errors = error_panel(POINTS, labels, found, 2)
    assert errors.caption == '80.0 % right'
    assert len(errors.points) == 400
    unknown = error_panel(POINTS, np.full(500, 9), found, 2)
    assert unknown.caption == 'no labels'


def test_large_scenes_are_thinned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, 'MAX_POINTS', 50)
    labels = np.arange(500) % 2
    panel = label_panel('', POINTS, labels, COLORS)
    assert len(panel.points) == 50
    row = int(np.flatnonzero((panel.points[7] == POINTS).all(1))[0])
    assert panel.colors[7].tolist() == COLORS[labels[row]].tolist()


def test_palette_of_the_data_set() -> None:
    assert class_colors(1, [(255, 0, 51)]).tolist() == [[1, 0, 0.2]]
    ours = class_colors(20, [(255, 0, 0)])
    assert ours.shape == (20, 3)
    assert np.array_equal(ours, class_colors(20))


def test_web_page(tmp_path: Path) -> None:
    rows = [[plain_panel('first', POINTS), plain_panel('second', POINTS)]]
    path = write_scene_html(rows, tmp_path / 'scenes.html')
    text = path.read_text()
    assert 'first' in text
    assert 'second' in text


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='at least one panel each'):
        draw_scene_panels([[]], tmp_path / 'scenes.png')
    with pytest.raises(ValueError, match=r'must end in \.png'):
        draw_scene_panels([[plain_panel('', POINTS)]], tmp_path / 'scenes.jpg')
