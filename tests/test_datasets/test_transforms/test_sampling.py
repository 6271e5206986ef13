"""Choosing points, and patches of them; what belongs to points follows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from mmdet3d.structures import DepthInstance3DBoxes

from mmdet3d_act.datasets import BadSampleError
from mmdet3d_act.datasets.transforms import (
    GroupPoints,
    KeepFarthestPoints,
    RandomCuboidCrop,
    SamplePoints,
)
from mmdet3d_act.datasets.transforms.sampling import take_points
from mmdet3d_act.ops import farthest_point_sample


def _numbered(count: int) -> torch.Tensor:
    return torch.arange(count)[:, None].expand(-1, 3).float()


def _chosen(results: dict) -> list[int]:
    return results['points'].tensor[:, 0].int().tolist()


def _cloud(count: int) -> torch.Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(0))


def test_what_belongs_to_points_goes_with_them(
    sample: Callable, cloud: np.ndarray
) -> None:
    pixels = np.random.default_rng(0).random((50, 2), dtype=np.float32)
    truth = dict(pts_semantic_mask=np.arange(50), gt_labels_3d=np.arange(3))
    results = sample(cloud) | dict(
        pts_semantic_mask=np.arange(50),
        pts_instance_mask=torch.arange(50) * 2,
        pixels=pixels,
        shape_label=3,
        eval_ann_info=truth,
    )
    take_points(results, np.array([7, 0, 7]))
    assert np.array_equal(results['points'].tensor, cloud[[7, 0, 7]])
    assert results['pts_semantic_mask'].tolist() == [7, 0, 7]
    assert results['pts_instance_mask'].tolist() == [14, 0, 14]
    assert np.array_equal(results['pixels'], pixels[[7, 0, 7]])
    assert results['shape_label'] == 3
    assert truth['pts_semantic_mask'].tolist() == [7, 0, 7]
    assert truth['gt_labels_3d'].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ('key', 'shape'),
    [
        ('pts_semantic_mask', (51,)),
        ('pts_instance_mask', (50, 1)),
        ('pixels', (50, 3)),
    ],
)
def test_what_does_not_belong_to_the_points(
    sample: Callable, cloud: np.ndarray, key: str, shape: tuple
) -> None:
    results = sample(cloud) | {key: np.zeros(shape)}
    with pytest.raises(ValueError, match=rf'cloud.npy: expected {key} '):
        take_points(results, np.arange(3))


@pytest.mark.parametrize(
    'transform', [SamplePoints(2), KeepFarthestPoints(2), RandomCuboidCrop(2)]
)
def test_patches_come_last(
    sample: Callable, cloud: np.ndarray, transform: Callable
) -> None:
    np.random.seed(0)
    with pytest.raises(ValueError, match='GroupPoints'):
        transform(GroupPoints(8, 4)(sample(cloud)))


def test_random_is_without_replacement(sample: Callable) -> None:
    np.random.seed(0)
    transform = SamplePoints(20)
    draws = [_chosen(transform(sample(_numbered(30)))) for _ in range(5)]
    assert all(len(set(draw)) == 20 for draw in draws)
    assert len({tuple(draw) for draw in draws}) == 5
    assert set().union(*draws) == set(range(30))


@pytest.mark.parametrize('replace', [False, True])
def test_fixed_choice_follows_seed_and_index_only(
    sample: Callable, replace: bool
) -> None:
    transform = SamplePoints(20, per_epoch=False, replace=replace)

    def draw(*key: int) -> tuple:
        results = sample(_numbered(30)) | dict(rng_key=key)
        return tuple(_chosen(transform(results)))

    assert draw(1, 0, 2) == draw(1, 9, 2)
    assert len({draw(1, 0, 2), draw(2, 0, 2), draw(1, 0, 3)}) == 3


def test_replacement_takes_points_again(sample: Callable) -> None:
    """Also where there are enough, as the published part segmentation."""
    np.random.seed(0)
    transform = SamplePoints(400, replace=True)
    chosen = _chosen(transform(sample(_numbered(300))))
    assert len(chosen) == 400
    # 300 * (1 - (1 - 1 / 300) ** 400) different ones are to be expected.
    assert len(set(chosen)) == pytest.approx(221, abs=15)
    results = sample(_numbered(3)) | dict(pts_semantic_mask=np.arange(3))
    few = SamplePoints(9, replace=True)(results)
    assert _chosen(few) == few['pts_semantic_mask'].tolist()


def test_fps(sample: Callable) -> None:
    points = torch.tensor([[0.0], [1], [10], [5]]).expand(-1, 3)
    assert _chosen(SamplePoints(3, 'fps')(sample(points))) == [0, 10, 5]
    ordered = sample(points) | dict(fps_ordered=True)
    assert _chosen(SamplePoints(3, 'fps')(dict(ordered))) == [0, 1, 10]
    # The order is forgotten after a random choice.
    assert 'fps_ordered' not in SamplePoints(3)(ordered)


@pytest.mark.parametrize('method', ['random', 'fps'])
def test_clouds_that_are_too_small(sample: Callable, method: str) -> None:
    transform = SamplePoints(7, method, on_too_few='repeat')
    chosen = _chosen(transform(sample(_numbered(3))))
    assert sorted(chosen[:3]) == [0, 1, 2]
    assert chosen[3:] == chosen[:4]
    kept = SamplePoints(7, method, on_too_few='keep')(sample(_numbered(3)))
    assert sorted(_chosen(kept)) == [0, 1, 2]
    kept = SamplePoints(2, method, on_too_few='keep')(sample(_numbered(3)))
    assert len(_chosen(kept)) == 2
    with pytest.raises(BadSampleError, match=r'cloud\.npy: .* 7 '):
        SamplePoints(7, method)(sample(_numbered(3)))


def test_farthest_points(sample: Callable) -> None:
    """From the first on; of an ordered file the first ones."""
    points = torch.cat([_cloud(60), torch.arange(60.0)[:, None]], dim=1)
    results = sample(points) | dict(pts_semantic_mask=np.arange(60))
    results = KeepFarthestPoints(20)(results)
    chosen = farthest_point_sample(points[None, :, :3], 20)[0]
    assert len(chosen.unique()) == 20
    assert torch.equal(results['points'].tensor, points[chosen])
    assert results['pts_semantic_mask'].tolist() == chosen.tolist()
    ordered = sample(points) | dict(fps_ordered=True)
    ordered = SamplePoints(5, 'fps')(KeepFarthestPoints(20)(ordered))
    assert torch.equal(ordered['points'].tensor, points[:5])


def test_farthest_points_from_a_random_one(sample: Callable) -> None:
    points = _cloud(60)
    transform = KeepFarthestPoints(10, random_start=True)
    np.random.seed(0)
    starts = set()
    for _ in range(8):
        results = transform(sample(points) | dict(fps_ordered=True))
        assert 'fps_ordered' not in results
        kept = results['points'].tensor
        # Each is the farthest from those before it, whatever the first is.
        gaps = torch.cdist(points, kept[:1]).min(1).values
        for row in kept[1:]:
            own = gaps[(points == row).all(1)]
            assert own.item() == pytest.approx(gaps.max().item(), abs=1e-5)
            gaps = torch.minimum(gaps, torch.cdist(points, row[None])[:, 0])
        starts.add(tuple(kept[0].tolist()))
    assert len(starts) > 4


@pytest.fixture
def scene(sample: Callable) -> Callable[[], dict]:
    """Return a function that makes a sample with masks and 12 boxes."""
    size = np.array([8.0, 6.0, 2.0])
    points = np.random.default_rng(0).uniform(0, 1, (2000, 3)) * size
    grid = [(x, y, 1) for x in (1, 3, 5, 7) for y in (1, 3, 5)]
    boxes = np.concatenate([grid, np.full((12, 3), 0.5)], 1)

    def make(count: int = 12) -> dict:
        return sample(torch.from_numpy(points)) | dict(
            pts_semantic_mask=np.arange(2000),
            gt_bboxes_3d=DepthInstance3DBoxes(
                torch.from_numpy(boxes[:count]).float(),
                box_dim=6,
                with_yaw=False,
                origin=(0.5, 0.5, 0.5),
            ),
            gt_labels_3d=np.arange(count),
        )

    return make


def test_crop_takes_all_that_is_inside_and_moves_nothing(
    scene: Callable,
) -> None:
    np.random.seed(0)
    coords = scene()['points'].tensor
    centers = scene()['gt_bboxes_3d'].gravity_center
    sizes, left = set(), set()
    for _ in range(40):
        cut = RandomCuboidCrop(400)(scene())
        kept = cut['pts_semantic_mask']
        inside = cut['points'].tensor
        assert torch.equal(inside, coords[kept])
        low, high = inside.amin(0), inside.amax(0)
        within = ((coords >= low) & (coords <= high)).all(1)
        assert np.array_equal(np.flatnonzero(within), np.sort(kept))
        labels = cut['gt_labels_3d']
        expected = ((centers >= low) & (centers <= high)).all(1)
        assert labels.tolist() == expected.nonzero().flatten().tolist()
        assert torch.equal(cut['gt_bboxes_3d'].gravity_center, centers[labels])
        sizes.add(len(kept))
        left.add(len(labels))
    assert min(sizes) >= 400
    assert len(sizes) > 30
    assert 1 <= min(left) < max(left) <= 12


def test_shares_of_a_crop(scene: Callable) -> None:
    np.random.seed(1)
    crop = RandomCuboidCrop(1, crop_range=(0.3, 0.6))
    extent = np.array([8.0, 6.0, 2.0])
    shares = []
    for _ in range(150):
        inside = crop(scene(0))['points'].tensor.numpy()
        shares.append(np.ptp(inside, axis=0) / extent)
    assert np.max(shares) <= 0.6
    # A cuboid at the wall holds less than its share.
    assert np.quantile(shares, 0.9) > 0.5


def test_scenes_that_cannot_be_cropped_stay_whole(scene: Callable) -> None:
    np.random.seed(0)
    for few in (2001, 2000):
        kept = RandomCuboidCrop(few)(scene())
        assert len(kept['points']) == 2000
        assert len(kept['gt_bboxes_3d']) == 12


def test_crops_of_one_box_and_of_none(scene: Callable) -> None:
    np.random.seed(0)
    for _ in range(20):
        cut = RandomCuboidCrop(50, crop_range=(0.4, 0.5))(scene(1))
        assert cut['gt_labels_3d'].tolist() == [0]
        assert len(cut['points']) < 2000
    cut = RandomCuboidCrop(200, crop_range=(0.5, 0.5))(scene(0))
    assert 200 <= len(cut['points']) < 2000
    assert len(cut['gt_bboxes_3d']) == 0
    unlabelled = scene()
    del unlabelled['gt_bboxes_3d'], unlabelled['gt_labels_3d']
    assert len(RandomCuboidCrop(200)(unlabelled)['points']) >= 200


def test_groups(sample: Callable, cloud: np.ndarray) -> None:
    points = torch.tensor([0.0, 0.1, 0.3, 10, 10.1, 10.3])[:, None]
    results = GroupPoints(2, 3)(sample(points.expand(-1, 3)))
    assert results['center_indices'].tolist() == [0, 5]
    assert results['neighbor_indices'].tolist() == [[0, 1, 2], [5, 4, 3]]
    assert results['neighbor_indices'].dtype == torch.int64
    results = GroupPoints(8, 5)(sample(cloud))
    centers = results['center_indices']
    assert len(set(centers.tolist())) == 8
    points = torch.tensor(cloud)
    expected = torch.cdist(points[centers], points).argsort(1)[:, :5]
    assert torch.equal(results['neighbor_indices'], expected)
    assert torch.equal(results['points'].tensor, points)


def test_no_group_at_the_origin(sample: Callable) -> None:
    points = torch.tensor([[1.0, 0, 0], [0.9, 0, 0], [0, 0, 0.01]])
    near = GroupPoints(2, 1)(sample(points))
    skipped = GroupPoints(2, 1, skip_origin=True)(sample(points))
    assert near['center_indices'].tolist() == [0, 2]
    assert skipped['center_indices'].tolist() == [0, 1]


@pytest.mark.parametrize(('groups', 'size'), [(51, 2), (2, 51)])
def test_too_few_points_for_groups(
    sample: Callable, cloud: np.ndarray, groups: int, size: int
) -> None:
    with pytest.raises(BadSampleError, match=r'cloud\.npy: .* 51 points'):
        GroupPoints(groups, size)(sample(cloud))
