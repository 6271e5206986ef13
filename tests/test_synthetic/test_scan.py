from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.synthetic import (
    Cloud,
    ScanOptions,
    Shape,
    get_category,
    observe,
    shape_rng,
)
from mmdet3d_act.synthetic.primitives import ellipsoid

COMPLETE = ScanOptions(one_sided=False, noise=0, tilt=0, clutter=0)
CLEAN = ScanOptions(noise=0, tilt=0, clutter=0)


def seen(name: str, options: ScanOptions, index: int = 0) -> Cloud:
    rng = shape_rng(0, 'scan', name, index)
    return observe(get_category(name).draw(rng), 700, options, rng)


def ball() -> Shape:
    mesh = ellipsoid(2, 2, 2, rows=24)
    return Shape(mesh.vertices, mesh.faces, np.zeros(len(mesh.faces)), ('b',))


def facing(cloud: Cloud, camera: np.ndarray) -> np.ndarray:
    rays = camera - cloud.points
    return (rays * cloud.normals).sum(axis=1) > 0


@pytest.mark.parametrize('options', [COMPLETE, CLEAN, ScanOptions()])
@pytest.mark.parametrize('name', ['airplane', 'lamp', 'stool'])
def test_clouds_are_in_the_unit_sphere(
    name: str, options: ScanOptions
) -> None:
    cloud = seen(name, options)
    assert cloud.points.shape == (700, 3)
    assert cloud.points.dtype == np.float32
    np.testing.assert_allclose(cloud.points.mean(axis=0), 0, atol=1e-5)
    radius = np.linalg.norm(cloud.points, axis=1).max()
    assert radius == pytest.approx(1, abs=1e-5)


def test_a_scan_is_one_sided() -> None:
    for index, name in enumerate(('chair', 'vase', 'car', 'bookshelf')):
        scan = seen(name, CLEAN, index)
        complete = seen(name, COMPLETE, index)
        assert facing(scan, scan.camera).all()
        assert facing(complete, scan.camera).mean() < 0.75
        assert complete.camera is None


def test_a_scan_of_a_ball_is_the_half_that_faces_the_camera() -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        cloud = observe(ball(), 2000, CLEAN, rng)
        # Cap of a ball seen from d radii: less than a half, more than 0.25.
        directions = cloud.normals @ cloud.normals.mean(axis=0)
        assert (directions > 0.1).all()
        toward = cloud.camera / np.linalg.norm(cloud.camera)
        mean = cloud.normals.mean(axis=0)
        assert mean @ toward / np.linalg.norm(mean) > 0.97


def test_what_lies_behind_is_hidden() -> None:
    near = ellipsoid(1, 1, 1)
    cloud_of = {}
    for name, size in (('small', 0.2), ('large', 3.0)):
        plate = ellipsoid(size, size, size).moved(y=-2.5)
        vertices = np.concatenate([near.vertices, plate.vertices])
        faces = np.concatenate([near.faces, plate.faces + len(near.vertices)])
        labels = np.repeat([0, 1], [len(near.faces), len(plate.faces)])
        cloud_of[name] = Shape(vertices, faces, labels, ('near', 'far'))
    rates = []
    for shape in cloud_of.values():
        labels = np.concatenate(
            [
                observe(shape, 400, CLEAN, np.random.default_rng(s)).labels
                for s in range(6)
            ]
        )
        rates.append((labels == 1).mean())
    assert rates[0] < 0.1 < rates[1]


def test_noise_tilt_and_clutter_do_what_they_say() -> None:
    clean = seen('chair', CLEAN)
    noisy = seen('chair', ScanOptions(noise=0.02, tilt=0, clutter=0))
    gap = np.linalg.norm(clean.points - noisy.points, axis=1)
    assert 0.005 < gap.mean() < 0.1
    tilted = seen('chair', ScanOptions(noise=0, tilt=40, clutter=0))
    np.testing.assert_allclose(
        np.linalg.norm(clean.points, axis=1),
        np.linalg.norm(tilted.points, axis=1),
        atol=1e-4,
    )
    assert np.abs(clean.points - tilted.points).max() > 0.05
    shares = [
        (seen('chair', ScanOptions(clutter=0.2), i).labels < 0).mean()
        for i in range(20)
    ]
    assert (clean.labels >= 0).all()
    assert 0.1 < np.mean(shares) < 0.3
    assert np.std(shares) > 0.05


def test_scans_turn_the_object_about_the_up_axis() -> None:
    headings = []
    for index in range(12):
        cloud = seen('knife', CLEAN, index)
        length = np.linalg.svd(cloud.points)[2][0]
        headings.append(np.arctan2(length[2], length[0]) % np.pi)
    assert np.std(headings) > 0.4
    poses = [
        np.linalg.svd(seen('knife', COMPLETE, i).points)[2][0]
        for i in range(12)
    ]
    assert np.std(np.abs(poses), axis=0).max() < 0.1


@pytest.mark.parametrize(
    ('name', 'value'), [('noise', -0.1), ('tilt', 181), ('clutter', 0.6)]
)
def test_refuses_options_out_of_range(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf'{name} must be in \[0'):
        ScanOptions(**{name: value})
