"""Rows of panels: stages of clouds, and scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmdet3d_act.visualization import scenes
from mmdet3d_act.visualization.arrays import height_colors
from mmdet3d_act.visualization.rasterizer import fit_frame
from mmdet3d_act.visualization.reconstructions import (
    Stage,
    spread_labels,
    stage_rows,
)
from mmdet3d_act.visualization.scenes import (
    box_panel,
    draw_scene_panels,
    error_panel,
    label_panel,
    plain_panel,
)

POINTS = np.random.default_rng(0).uniform(0, 3, (500, 3))
BOX = [[1.0, 1, 1, 1, 2, 0.5, 0.3]]
RED = (0.9, 0.1, 0.1)
COLORS = np.array([RED, (0.1, 0.8, 0.2)])


def test_stages_keep_view_and_colours_of_the_first() -> None:
    points = torch.randn(2, 50, 3, generator=torch.manual_seed(0))
    labels = torch.arange(50).expand(2, -1) % 7 - 1
    stages = [
        Stage('input', points, None, ['50', '50']),
        Stage('parts', points, labels),
        Stage('made', 0.5 * points[:, :20], None, ['CD 1', 'CD 2']),
    ]
    rows = stage_rows(stages, ['a', 'b'], 'z')
    assert [one.title for one in rows[1]] == ['input', 'parts', 'made']
    assert [one.caption for one in rows[1]] == ['b · 50', '', 'CD 2']
    cloud = points[1].numpy()
    first, parts, made = rows[1]
    fitted = fit_frame(cloud.astype(float))
    np.testing.assert_allclose(made.frame.center, fitted.center)
    assert made.frame.radius == first.frame.radius == fitted.radius
    np.testing.assert_allclose(
        made.colors, height_colors(made.points, 'z', like=cloud)
    )
    # Grey points, of label -1, come first: coloured ones are drawn over them.
    grey = (labels[1] == -1).numpy()
    np.testing.assert_array_equal(parts.points[: grey.sum()], cloud[grey])
    np.testing.assert_array_equal(parts.colors[: grey.sum()], 0.78)
    assert (np.ptp(parts.colors[grey.sum() :], axis=1) > 0).all()


def test_neighbouring_patches_get_different_labels() -> None:
    centers = torch.linspace(0, 1, 12)[None, :, None].repeat(1, 1, 3)
    labels = spread_labels(centers)
    assert labels.shape == (1, 12)
    assert (np.diff(labels[0]) != 0).all()
    flipped = spread_labels(centers.flip(1))
    np.testing.assert_array_equal(flipped[0], labels[0][::-1])


def test_edges_are_on_the_box() -> None:
    panel = box_panel('', POINTS, BOX * 2, [0, 1], COLORS)
    assert len(panel.points) == len(POINTS)  # edges are no points
    assert panel.boxes.colors.tolist() == COLORS.tolist()
    assert panel.boxes.edge_points()[0].shape == (2 * 12 * 100, 3)
    # Those of lower scores are not drawn.
    scored = panel.boxes._replace(scores=np.array([0.9, 0.2]), min_score=0.5)
    places, tint = scored.edge_points()
    assert len(places) == len(tint) == 12 * 100
    assert (tint == RED).all()
    cos, sin = np.cos(-0.3), np.sin(-0.3)
    x, y, z = (places - 1).T
    local = np.stack([cos * x - sin * y, sin * x + cos * y, z], axis=1)
    # Two faces meet in an edge.
    on_face = np.isclose(np.abs(local), [0.5, 1, 0.25])
    assert (on_face.sum(1) >= 2).all()
    assert np.abs(local).max(0) == pytest.approx([0.5, 1, 0.25])
    none = box_panel('', POINTS, np.zeros((0, 7)), [], COLORS)
    assert none.boxes.edge_points()[0].shape == (0, 3)


def reddish(image: np.ndarray) -> int:
    return int((image[..., 0] > 1.8 * image[..., 1:].max(-1)).sum())


def test_boxes_are_drawn_in_the_view_of_the_points(tmp_path: Path) -> None:
    row = [plain_panel('', POINTS), box_panel('', POINTS, BOX, [0], COLORS)]
    path = draw_scene_panels([row], tmp_path / 'scenes.png', panel=200)
    image = np.asarray(Image.open(path)).astype(float)
    assert reddish(image[:, :206]) == 0
    assert reddish(image[:, 206:]) > 30


def test_labels_and_errors(monkeypatch: pytest.MonkeyPatch) -> None:
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
    monkeypatch.setattr(scenes, 'MAX_POINTS', 50)
    thin = label_panel('', POINTS, np.arange(500) % 2, COLORS)
    assert len(thin.points) == 50
    row = int(np.flatnonzero((thin.points[7] == POINTS).all(1))[0])
    assert thin.colors[7].tolist() == COLORS[row % 2].tolist()
