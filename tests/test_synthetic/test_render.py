from __future__ import annotations

import numpy as np
import pytest

from mmdet3d_act.synthetic.primitives import box, ellipsoid
from mmdet3d_act.synthetic.render import Camera, look_at, render_depth


def camera(eye: tuple, target: tuple, roll: float = 0.0) -> Camera:
    pose = look_at(np.array(eye, float), np.array(target, float), roll)
    return Camera(pose, 60.0, 80, 64)


def cast(corners: np.ndarray, view: Camera) -> np.ndarray:
    """Return the depth of every ray by Moeller and Trumbore's formula."""
    rays = view.rays().reshape(-1, 1, 3)
    first, second = (
        corners[:, 1] - corners[:, 0],
        corners[:, 2] - corners[:, 0],
    )
    normal = np.cross(first, second)
    across = np.cross(rays, second)
    det = (first * across).sum(-1)
    det = np.where(det == 0, 1e-30, det)
    offset = view.pose[:3, 3] - corners[:, 0]
    u = (offset * across).sum(-1) / det
    turned = np.cross(offset, first)
    v = (rays * turned).sum(-1) / det
    depth = (second * turned).sum(-1) / det
    hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (depth > 0.05)
    hit &= (rays * normal).sum(-1) < 0
    depth = np.where(hit, depth, np.inf).min(axis=1)
    return np.where(np.isfinite(depth), depth, 0).reshape(64, 80)


@pytest.mark.parametrize(
    ('eye', 'target', 'roll'),
    [
        ((3, 2, 1.5), (0, 0, 0), 0.0),
        ((0.9, -2, 0.4), (0, 0.3, 0.2), 0.4),
        # Amid the scene: faces cross the plane of the eye.
        ((0.9, -0.3, 1.2), (-3, -0.6, 0.5), -0.2),
    ],
)
def test_agrees_with_ray_casting(
    eye: tuple, target: tuple, roll: float
) -> None:
    meshes = [
        box(1, 1, 1).turned('y', 0.4),
        ellipsoid(0.8, 1.0, 1.2).moved(z=1.0),
        box(6, 0.1, 6).moved(y=-0.6),
        box(0.1, 4, 6).moved(x=-3.0),
    ]
    corners = np.concatenate([m.vertices[m.faces] for m in meshes])
    view = camera(eye, target, roll)
    depth, face = render_depth(corners, view)
    expected = cast(corners, view)
    assert (expected > 0).mean() > 0.3
    # Only elements on an edge may differ.
    same = np.abs(depth - expected) < 1e-6
    assert same.mean() > 0.998
    assert ((face >= 0) == (depth > 0)).all()


def test_the_face_seen_holds_the_point_seen() -> None:
    mesh = box(1, 1, 1)
    corners = mesh.vertices[mesh.faces]
    view = camera((2, 1.5, 1), (0, 0, 0))
    depth, face = render_depth(corners, view)
    seen = face >= 0
    places = view.pose[:3, 3] + view.rays()[seen] * depth[seen][:, None]
    np.testing.assert_allclose(np.abs(places).max(axis=1), 0.5, atol=1e-9)
    flat = corners[face[seen]]
    normal = np.cross(flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0])
    away = ((places - flat[:, 0]) * normal).sum(axis=1)
    np.testing.assert_allclose(away, 0, atol=1e-9)


def test_nothing_is_seen_from_inside() -> None:
    mesh = box(1, 1, 1)
    view = camera((0, 0, 0), (1, 0, 0))
    depth, face = render_depth(mesh.vertices[mesh.faces], view)
    assert (face == -1).all()
    assert (depth == 0).all()


def test_the_camera_looks_at_its_target_upright() -> None:
    pose = look_at(np.array([1.0, 2, 1]), np.array([3.0, 2, 1]), 0.0)
    np.testing.assert_allclose(pose[:3, :3].T @ pose[:3, :3], np.eye(3))
    np.testing.assert_allclose(pose[:3, 2], [1, 0, 0])
    np.testing.assert_allclose(pose[:3, 1], [0, 0, -1])
    assert np.linalg.det(pose) == pytest.approx(1)


def test_the_middle_ray_is_the_view() -> None:
    view = camera((1, 2, 3), (0, 0, 0))._replace(width=81, height=65)
    np.testing.assert_allclose(view.rays()[32, 40], view.pose[:3, 2])
    assert view.intrinsic[0, 2] == 40
