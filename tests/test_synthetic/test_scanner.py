"""The depth buffer, and scans of shapes."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.synthetic.camera import Camera, look_at, render_depth
from mmdet3d_act.synthetic.category import get_category, stream
from mmdet3d_act.synthetic.shape_scan import Cloud, ScanOptions, scan_shape
from mmdet3d_act.synthetic.solids import ball, box, join

COMPLETE = ScanOptions(one_sided=False, noise=0, tilt=0, clutter=0)
CLEAN = ScanOptions(noise=0, tilt=0, clutter=0)


def view_of(eye: tuple, target: tuple) -> Camera:
    pose = look_at(np.array(eye, float), np.array(target, float))
    return Camera(pose, 60.0, 80, 64)


def cast(corners: np.ndarray, view: Camera) -> np.ndarray:
    """Compute the depth of every ray by Moeller and Trumbore's formula."""
    rays = view.rays().reshape(-1, 1, 3)
    first, second = np.moveaxis(corners[:, 1:] - corners[:, :1], 1, 0)
    across = np.cross(rays, second)
    det = (first * across).sum(-1)
    det = np.where(det == 0, 1e-30, det)
    offset = view.pose[:3, 3] - corners[:, 0]
    u = (offset * across).sum(-1) / det
    turned = np.cross(offset, first)
    v = (rays * turned).sum(-1) / det
    depth = (second * turned).sum(-1) / det
    hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (depth > 0.05)
    hit &= (rays * np.cross(first, second)).sum(-1) < 0
    depth = np.where(hit, depth, np.inf).min(axis=1)
    return np.where(np.isfinite(depth), depth, 0).reshape(64, 80)


@pytest.mark.parametrize(
    ('eye', 'target'),
    [
        ((3, 2, 1.5), (0, 0, 0)),
        ((0.9, -2, 0.4), (0, 0.3, 0.2)),
        # Amid the scene: faces cross the plane of the eye.
        ((0.9, -0.3, 1.2), (-3, -0.6, 0.5)),
    ],
)
def test_depth_agrees_with_ray_casting(eye: tuple, target: tuple) -> None:
    scene = join(
        box(1, 1, 1).turned('y', 0.4),
        ball(0.8, 1.0, 1.2).at(z=1.0),
        box(6, 0.1, 6).at(y=-0.6),
        box(0.1, 4, 6).at(x=-3.0),
    )
    corners = scene.vertices[scene.faces]
    view = view_of(eye, target)
    depth, face = render_depth(corners, view)
    expected = cast(corners, view)
    assert (expected > 0).mean() > 0.3
    # Only pixels on an edge may differ.
    assert (np.abs(depth - expected) < 1e-6).mean() > 0.998
    assert ((face >= 0) == (depth > 0)).all()


def test_the_camera_looks_at_its_target_upright() -> None:
    pose = look_at(np.array([1.0, 2, 1]), np.array([3.0, 2, 1]))
    np.testing.assert_allclose(pose[:3, :3].T @ pose[:3, :3], np.eye(3))
    np.testing.assert_allclose(pose[:3, 2], [1, 0, 0])
    np.testing.assert_allclose(pose[:3, 1], [0, 0, -1])
    assert np.linalg.det(pose) == pytest.approx(1)
    view = Camera(pose, 60.0, 81, 65)
    np.testing.assert_allclose(view.rays()[32, 40], pose[:3, 2])
    assert view.intrinsic[0, 2] == 40


def scan(name: str, options: ScanOptions, index: int = 0) -> Cloud:
    rng = stream(0, 'scan', name, index)
    return scan_shape(get_category(name).draw(rng), 700, options, rng)


@pytest.mark.parametrize('options', [COMPLETE, CLEAN, ScanOptions()])
@pytest.mark.parametrize('name', ['airplane', 'lamp', 'stool'])
def test_clouds_are_in_the_unit_sphere(
    name: str, options: ScanOptions
) -> None:
    cloud = scan(name, options)
    assert cloud.points.shape == (700, 3)
    assert cloud.points.dtype == np.float32
    np.testing.assert_allclose(cloud.points.mean(axis=0), 0, atol=1e-5)
    radius = np.linalg.norm(cloud.points, axis=1).max()
    assert radius == pytest.approx(1, abs=1e-5)
    assert len(np.unique(cloud.points, axis=0)) == 700
    lengths = np.linalg.norm(cloud.normals, axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-4)


def test_a_scan_is_one_sided() -> None:
    for index, name in enumerate(('chair', 'vase', 'car', 'bookshelf')):
        seen, whole = scan(name, CLEAN, index), scan(name, COMPLETE, index)
        rays = seen.camera - seen.points
        assert ((rays * seen.normals).sum(axis=1) > 0).mean() > 0.995
        toward = (seen.camera - whole.points) * whole.normals
        assert (toward.sum(axis=1) > 0).mean() < 0.75
        assert whole.camera is None


def test_noise_tilt_and_clutter_do_what_they_say() -> None:
    clean = scan('chair', CLEAN)
    noisy = scan('chair', ScanOptions(noise=0.02, tilt=0, clutter=0))
    gap = np.linalg.norm(clean.points - noisy.points, axis=1)
    assert 0.005 < gap.mean() < 0.1
    tilted = scan('chair', ScanOptions(noise=0, tilt=40, clutter=0))
    radii, other = (
        np.linalg.norm(cloud.points, axis=1) for cloud in (clean, tilted)
    )
    np.testing.assert_allclose(radii, other, atol=1e-4)
    assert np.abs(clean.points - tilted.points).max() > 0.05
    shares = [
        (scan('chair', ScanOptions(clutter=0.2), index).labels < 0).mean()
        for index in range(20)
    ]
    assert (clean.labels >= 0).all()
    assert 0.1 < np.mean(shares) < 0.3
    assert np.std(shares) > 0.05
