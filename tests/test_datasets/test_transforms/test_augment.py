"""Random changes of clouds, and where clouds are placed."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mmdet3d_act.datasets import BadSampleError
from mmdet3d_act.datasets.transforms import (
    CenterOnGround,
    LoadPointCloud,
    NormalizeToUnitSphere,
    RandomPointDropout,
    RandomPointRotation,
    RandomPointScaleShift,
    normalize_to_unit_sphere,
    rotate,
    scale_and_shift,
)

ALL = (
    RandomPointScaleShift(),
    RandomPointRotation(),
    RandomPointDropout(0.9),
)


@pytest.mark.parametrize('transform', ALL)
def test_follows_the_seed_and_leaves_the_rest(
    sample: Callable, cloud: np.ndarray, transform: Callable
) -> None:
    points = np.concatenate([cloud, np.ones((50, 1))], axis=1)

    def apply(seed: int) -> dict:
        np.random.seed(seed)
        return transform(sample(points) | dict(shape_label=3))

    first, again, other = (apply(s)['points'].tensor for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (50, 4)
    assert (first[:, 3] == 1).all()
    assert apply(0)['shape_label'] == 3


def test_scale_and_shift_by_hand() -> None:
    points = torch.tensor([[1.0, 2, 3, 9]])
    moved = scale_and_shift(points, np.array([2.0, 3, 4]), 0.5)
    assert moved.tolist() == [[2.5, 6.5, 12.5, 9]]


@pytest.mark.parametrize(
    'transform', [RandomPointScaleShift(), RandomPointRotation()]
)
def test_normals_stay_at_right_angles_to_the_surface(
    transform: Callable, tmp_path: Path
) -> None:
    normal, along, across = np.linalg.qr(np.random.rand(3, 3))[0]
    rows = np.array([[0, 0, 0], along, across])
    rows = np.hstack([rows, np.ones((3, 1)), np.tile(normal, (3, 1))])
    np.save(tmp_path / 'a.npy', rows)
    load = LoadPointCloud(
        features=['intensity', 'normals'],
        columns=['intensity', 'nx', 'ny', 'nz'],
    )
    results = load(dict(lidar_path=str(tmp_path / 'a.npy')))
    results['points'] = results['points'][torch.tensor([0, 2, 1])]
    start = results['points'].tensor.clone()
    moved = transform(results)['points'].tensor
    assert not torch.allclose(moved[:, 4:], start[:, 4:], atol=1e-3)
    assert torch.equal(moved[:, 3], start[:, 3])
    sides = moved[1:, :3] - moved[0, :3]
    normals = moved[:, 4:]
    torch.testing.assert_close(normals.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(
        sides @ normals[0], torch.zeros(2), atol=1e-6, rtol=0
    )


def test_scale_and_shift_draws() -> None:
    np.random.seed(0)
    transform = RandomPointScaleShift((0.5, 2.0), 0.2)
    corners = torch.cat([torch.zeros(1, 3), torch.eye(3)])
    moved = torch.stack([transform.augment(corners) for _ in range(500)])
    shift = moved[:, 0]
    scale = torch.diagonal(moved[:, 1:], dim1=1, dim2=2) - shift
    assert shift.abs().max() <= 0.2
    assert shift.amin(0).max() < -0.19
    assert shift.amax(0).min() > 0.19
    assert 0.5 - 1e-6 <= scale.min() < 0.51
    assert 1.99 < scale.max() <= 2.0 + 1e-6
    assert torch.corrcoef(torch.cat([scale, shift], 1).T).triu(1).max() < 0.2
    transform = RandomPointScaleShift((0.5, 2.0), 0.0, isotropic=True)
    scale = torch.diagonal(transform.augment(torch.eye(3)))
    assert scale.tolist() == [scale[0].item()] * 3


@pytest.mark.parametrize(
    ('axis', 'turns', 'end'),
    [
        ((0, 0, 2), 1 / 4, (-2, 1, 3)),
        ((0, 1, 0), 1 / 4, (3, 2, -1)),
        ((3, 0, 0), 1 / 4, (1, -3, 2)),
        ((0, 0, -1), 1 / 4, (2, -1, 3)),
        # About a diagonal: the axes change places.
        ((1, 1, 1), 1 / 3, (3, 1, 2)),
    ],
)
def test_rotate(axis: tuple, turns: float, end: tuple) -> None:
    start = torch.tensor([[1.0, 2, 3, 9]]).double()
    turned = rotate(start, axis, 2 * math.pi * turns)
    torch.testing.assert_close(turned, torch.tensor([[*end, 9]]).double())


def test_rotation_angles() -> None:
    np.random.seed(0)
    point = torch.tensor([[1.0, 0, 0]])

    def angles(*limits: float) -> torch.Tensor:
        transform = RandomPointRotation('z', *([limits] if limits else []))
        turned = torch.cat([transform.augment(point) for _ in range(300)])
        return torch.atan2(turned[:, 1], turned[:, 0])

    small = angles(-0.1, 0.2)
    assert -0.1 <= small.min() < -0.09
    assert 0.19 < small.max() <= 0.2 + 1e-6
    full = angles()
    assert full.min() < -3
    assert full.max() > 3


def test_dropped_points_take_the_label_of_their_place(
    sample: Callable, cloud: np.ndarray
) -> None:
    results = sample(cloud) | dict(pts_semantic_mask=np.arange(50))
    np.random.seed(3)
    results = RandomPointDropout(0.2)(results)
    mask = results['pts_semantic_mask']
    assert 1 < (mask == 0).sum() < 20
    # Every label still says which point it belongs to.
    assert np.array_equal(results['points'].tensor, cloud[mask])


def test_unit_sphere_by_hand() -> None:
    points = torch.tensor([[1.0, 5, 5, 7], [4, 5, 5, 8], [1, 5, 5, 9]])
    expected = [[-0.5, 0, 0, 7], [1, 0, 0, 8], [-0.5, 0, 0, 9]]
    assert normalize_to_unit_sphere(points).tolist() == expected


def test_unit_sphere(sample: Callable, cloud: np.ndarray) -> None:
    """Also far from the origin."""
    near = torch.from_numpy(cloud.round())
    coords = NormalizeToUnitSphere()(sample(near))['points'].coord
    assert coords.norm(dim=1).max() == pytest.approx(1)
    assert coords.mean(0).abs().max() < 1e-6
    torch.testing.assert_close(normalize_to_unit_sphere(near + 1e6), coords)


@pytest.mark.parametrize('value', [0.0, 0.1, 1e6])
@pytest.mark.parametrize('count', [1, 7])
def test_no_extent(sample: Callable, value: float, count: int) -> None:
    points = torch.full((count, 3), value)
    with pytest.raises(BadSampleError, match=r'cloud\.npy: '):
        NormalizeToUnitSphere()(sample(points))


def test_center_on_ground(sample: Callable) -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(200, 4, generator=generator)
    points = points * torch.tensor([6.0, 4.0, 2.5, 255.0]) - 3
    moved = CenterOnGround()(sample(points.clone()))['points'].tensor
    assert torch.allclose(moved.amin(0)[:2], -moved.amax(0)[:2], atol=1e-6)
    assert torch.equal(moved[:, 2:], points[:, 2:])
    offsets = moved[:, :2] - points[:, :2]
    assert torch.allclose(offsets, offsets[:1].expand_as(offsets), atol=1e-5)
    with pytest.raises(ValueError, match='gt_bboxes_3d'):
        CenterOnGround()(sample(points) | dict(gt_bboxes_3d=None))
