"""Random cuboids of scenes, with what belongs to them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from mmdet3d.structures import DepthInstance3DBoxes

from mmdet3d_act.datasets.transforms import RandomCuboidCrop

SIZE = np.array([8.0, 6.0, 2.0])


@pytest.fixture
def scene(sample: Callable) -> Callable[[], dict]:
    """Return a function that makes a sample with masks and 12 boxes."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1, (2000, 3)) * SIZE
    grid = [(x, y, 1) for x in (1, 3, 5, 7) for y in (1, 3, 5)]
    boxes = np.concatenate([grid, np.full((12, 3), 0.5)], 1)

    def make() -> dict:
        return sample(torch.from_numpy(points)) | dict(
            pts_semantic_mask=np.arange(2000),
            pts_instance_mask=np.arange(2000) + 7,
            gt_bboxes_3d=DepthInstance3DBoxes(
                torch.from_numpy(boxes).float(),
                box_dim=6,
                with_yaw=False,
                origin=(0.5, 0.5, 0.5),
            ),
            gt_labels_3d=np.arange(12),
        )

    return make


def test_everything_follows_and_nothing_moves(scene: Callable) -> None:
    np.random.seed(0)
    whole = scene()
    coords = whole['points'].tensor.clone()
    centers = whole['gt_bboxes_3d'].gravity_center
    sizes, left = [], []
    for _ in range(40):
        cut = RandomCuboidCrop(400)(scene())
        kept = cut['pts_semantic_mask']
        assert torch.equal(cut['points'].tensor, coords[kept])
        assert np.array_equal(cut['pts_instance_mask'], kept + 7)
        inside = cut['points'].tensor
        low, high = inside.amin(0), inside.amax(0)
        # All points of the cuboid, and no other.
        within = ((coords >= low) & (coords <= high)).all(1)
        assert np.array_equal(np.flatnonzero(within), np.sort(kept))
        labels = cut['gt_labels_3d']
        expected = ((centers >= low) & (centers <= high)).all(1)
        assert labels.tolist() == expected.nonzero().flatten().tolist()
        assert torch.equal(cut['gt_bboxes_3d'].gravity_center, centers[labels])
        sizes.append(len(kept))
        left.append(len(labels))
    assert min(sizes) >= 400
    assert len(set(sizes)) > 30
    assert min(left) >= 1
    assert min(left) < max(left) <= 12


def test_shares_of_the_sides(scene: Callable) -> None:
    """Two of three are alike, and all are in their range."""
    np.random.seed(1)
    crop = RandomCuboidCrop(1, crop_range=(0.3, 0.6), min_aspect=0.9)
    coords = scene()['points'].coord.numpy()
    ordered = np.sort(coords.T, axis=1)
    shares = []
    while len(shares) < 200:
        inside = crop._draw(coords, ordered)
        if len(inside) == 0:
            continue
        bounds = np.ptp(coords[inside], axis=0) / np.ptp(coords, axis=0)
        assert (bounds <= 0.6).all()
        shares.append(bounds)
    # A cuboid at the wall holds less than its share.
    assert np.quantile(shares, 0.9) > 0.5


def test_too_few_points_leave_the_scene_whole(scene: Callable) -> None:
    np.random.seed(0)
    for few in (2001, 2000):
        kept = RandomCuboidCrop(few)(scene())
        assert len(kept['points']) == 2000
        assert len(kept['gt_bboxes_3d']) == 12


def test_a_crop_without_box_is_drawn_again(scene: Callable) -> None:
    np.random.seed(0)
    for _ in range(20):
        results = scene()
        results['gt_bboxes_3d'] = results['gt_bboxes_3d'][[0]]
        results['gt_labels_3d'] = results['gt_labels_3d'][[0]]
        cut = RandomCuboidCrop(50, crop_range=(0.4, 0.5))(results)
        assert cut['gt_labels_3d'].tolist() == [0]
        assert len(cut['points']) < 2000


def test_scenes_without_boxes_are_cropped(scene: Callable) -> None:
    np.random.seed(0)
    results = scene()
    results['gt_bboxes_3d'] = results['gt_bboxes_3d'][[]]
    results['gt_labels_3d'] = results['gt_labels_3d'][[]]
    cut = RandomCuboidCrop(200, crop_range=(0.5, 0.5))(results)
    assert 200 <= len(cut['points']) < 2000
    assert len(cut['gt_bboxes_3d']) == len(cut['gt_labels_3d']) == 0
    unlabelled = scene()
    del unlabelled['gt_bboxes_3d'], unlabelled['gt_labels_3d']
    assert len(RandomCuboidCrop(200)(unlabelled)['points']) >= 200
