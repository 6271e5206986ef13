from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh

from mmdet3d_act.datasets.readers import BadSampleError, read_points
from mmdet3d_act.datasets.readers.mesh import read_mesh, sample_triangles
from tests.test_datasets.test_readers.point_files import MESHES, write_form

# Two squares of area 1 and 3 at z 0 and z 5.
QUADS = (
    'OFF\n8 2 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n0 0 5\n3 0 5\n3 1 5\n0 1 5\n'
    '4 0 1 2 3\n4 4 5 6 7\n'
)


def read(tmp_path: Path, data: str | bytes, suffix: str) -> np.ndarray:
    path = tmp_path / f'a.{suffix}'
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_points(str(path), mesh_points=4000)


def scene_glb() -> bytes:
    """A unit box, twice, one moved by 10 and doubled; and a sphere."""
    scene = trimesh.Scene()
    box = trimesh.creation.box()
    moved = np.diag([2.0, 2.0, 2.0, 1.0])
    moved[0, 3] = 10
    scene.add_geometry(box, node_name='a', geom_name='box')
    scene.add_geometry(
        trimesh.creation.icosphere(radius=0.5),
        transform=trimesh.transformations.translation_matrix([0, 20, 0]),
    )
    scene.graph.update('b', matrix=moved, geometry='box')
    return scene.export(file_type='glb')


@pytest.mark.parametrize('form', MESHES)
def test_points_lie_on_the_mesh(tmp_path: Path, form: str) -> None:
    path = write_form(form, tmp_path)
    points = read_points(str(path), mesh_points=300)
    assert points.shape == (300, 3)
    mesh = trimesh.load_mesh(path)
    low, high = mesh.bounds
    assert (points >= low - 1e-4).all()
    assert (points <= high + 1e-4).all()
    # The nearest triangle's plane, by its normal.
    offsets = np.einsum(
        'nfc,fc->nf', points[:, None] - mesh.triangles[:, 0], mesh.face_normals
    )
    assert np.abs(offsets).min(1).max() < 1e-3


def test_by_area(tmp_path: Path) -> None:
    points = read(tmp_path, QUADS, 'off')
    share = (points[:, 2] == 5).mean()
    assert abs(share - 0.75) < 0.03
    upper = points[points[:, 2] == 5]
    counts = np.histogram2d(
        upper[:, 0], upper[:, 1], [3, 2], [[0, 3], [0, 1]]
    )[0]
    assert (np.abs(counts / len(upper) - 1 / 6) < 0.025).all()


def test_the_same_file_gives_the_same_points(tmp_path: Path) -> None:
    first = read(tmp_path, QUADS, 'off')
    state = np.random.get_state()[1].copy()
    shutil.copy(tmp_path / 'a.off', tmp_path / 'b.off')
    path = str(tmp_path / 'b.off')
    np.testing.assert_array_equal(read_points(path, mesh_points=4000), first)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    other = read_points(path, mesh_points=4000, rng=1)
    assert not np.array_equal(other, first)
    changed = read(tmp_path, QUADS.replace('3 1 5', '3 1.001 5'), 'off')
    # Other random numbers, not the same ones on another mesh.
    assert np.abs(changed - first).max() > 0.5
    draws = [
        read_points(path, mesh_points=9, rng=np.random.default_rng(seed))
        for seed in (3, 3, 4)
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


@pytest.mark.parametrize(
    'start',
    [
        'OFF8 2 0\n',
        'OFF 8 2 0\n',
        '# c\nOFF # c\n\n8 2 0 # c\n',
        'COFF\n8 2\n',
    ],
)
def test_off_headers(tmp_path: Path, start: str) -> None:
    text = QUADS.replace('OFF\n8 2 0\n', start)
    np.testing.assert_array_equal(
        read(tmp_path, text, 'off'), read(tmp_path, QUADS, 'off')
    )


@pytest.mark.parametrize(
    ('text', 'fault'),
    [
        (QUADS.replace('8 2 0', '8 3 0'), 'truncated: it promises 8 vertices'),
        (QUADS.replace('8 2 0', '1000000000000 2 0'), 'truncated'),
        (QUADS.replace('4 5 6 7', '4 5 6'), "truncated: .* '4 4 5 6'"),
        (QUADS.replace('4 5 6 7', '4 5 6 8'), 'index'),
        (QUADS.replace('8 2 0', 'eight'), 'expected numbers of vertices'),
        (QUADS.replace('0 1 5', '0 1'), 'inhomogeneous'),
        ('1 2 3\n', 'not with "OFF"'),
        ('OFF\n3 1 0\n0 0 0\n1 1 1\n2 2 2\n3 0 1 2\n', 'an area of 0.0'),
        ('OFF\n3 1 0\n0 0 0\n1e200 0 0\n0 1e200 0\n3 0 1 2\n', 'area of inf'),
        ('OFF\n3 1 0\n0 0 0\nnan 0 0\n0 1 0\n3 0 1 2\n', 'an area of nan'),
        ('OFF\n0 0 0\n', 'neither faces nor vertices|no points'),
    ],
)
def test_bad_off(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(BadSampleError, match=rf'a\.off: .*({fault})'):
        read(tmp_path, text, 'off')


def test_huge_and_tiny_coordinates(tmp_path: Path) -> None:
    for scale in (1e-12, 1e18):
        text = f'OFF\n3 1 0\n0 0 0\n{scale} 0 0\n0 {scale} 0\n3 0 1 2\n'
        points = read(tmp_path, text, 'off') / np.float32(scale)
        assert points.min() >= 0
        assert abs(points[:, 0].mean() - 1 / 3) < 0.02


def test_a_file_without_faces_is_a_cloud(tmp_path: Path) -> None:
    text = 'o one\nv 1 2 3\nv 4 5 6\no two\nv 7 8 9\n'
    expected = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert read(tmp_path, text, 'obj').tolist() == expected
    text = 'OFF\n2 0 0\n1 2 3\n4 5 6\n'
    assert read(tmp_path, text, 'off').tolist() == expected[:2]


def test_obj_of_several_objects(tmp_path: Path) -> None:
    """Quads, texture indices, negative indices, materials that are absent."""
    text = (
        'mtllib none.mtl\no a\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\n'
        'usemtl red\nf 1/1 2/1 3/1 4/1\no b\nv 0 0 5\nv 3 0 5\nv 3 1 5\n'
        'v 0 1 5\nusemtl blue\nf -4 -3 -2\nf -4 -2 -1\n'
    )
    points = read(tmp_path, text, 'obj')
    assert set(points[:, 2].tolist()) == {0, 5}
    assert abs((points[:, 2] == 5).mean() - 0.75) < 0.03


def test_glb_scene(tmp_path: Path) -> None:
    """Boxes of area 6 and 24, and a ball of about 3.1, each in its place."""
    points = read(tmp_path, scene_glb(), 'glb')
    big = np.abs(points - [10, 0, 0]).max(1) < 1.01
    small = np.abs(points).max(1) < 0.51
    ball = np.abs(points - [0, 20, 0]).max(1) < 0.51
    assert (big | small | ball).all()
    shares = np.array([big.mean(), small.mean(), ball.mean()])
    np.testing.assert_allclose(
        shares, np.array([24, 6, 3.1]) / 33.1, atol=0.02
    )


def test_gltf_with_its_buffers(tmp_path: Path) -> None:
    files = trimesh.Scene(trimesh.creation.box()).export(file_type='gltf')
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    path = tmp_path / 'model.gltf'
    points = read_points(str(path), mesh_points=50)
    np.testing.assert_allclose(np.abs(points).max(1), 0.5, atol=1e-6)
    next(tmp_path.glob('*.bin')).unlink()
    with pytest.raises(BadSampleError, match=r'model\.gltf: unreadable'):
        read_points(str(path))


def _edit_glb(**changes: object) -> bytes:
    data = scene_glb()
    (length,) = struct.unpack('<I', data[12:16])
    content = json.loads(data[20 : 20 + length]) | changes
    text = json.dumps(content).encode()
    text += b' ' * (-len(text) % 4)
    rest = data[20 + length :]
    size = struct.pack('<I', 20 + len(text) + len(rest))
    chunk = struct.pack('<I', len(text))
    return data[:8] + size + chunk + data[16:20] + text + rest


@pytest.mark.parametrize(
    ('changes', 'fault'),
    [
        (
            dict(extensionsRequired=['KHR_draco_mesh_compression']),
            r'compressed \(KHR_draco.*export it without',
        ),
        (
            dict(accessors=[dict(count=10**12, type='VEC3')]),
            'the longest of 1000000000000 numbers, have no data',
        ),
        (dict(meshes=[], nodes=[], scenes=[]), 'unreadable'),
        (dict(accessors='no'), 'unreadable'),
    ],
)
def test_bad_glb(tmp_path: Path, changes: dict, fault: str) -> None:
    with pytest.raises(BadSampleError, match=rf'a\.glb: .*{fault}'):
        read(tmp_path, _edit_glb(**changes), 'glb')


def test_stl_faults(tmp_path: Path) -> None:
    whole = write_form('stl', tmp_path).read_bytes()
    data = whole[:80] + struct.pack('<I', 2**32 - 1) + whole[84:]
    with pytest.raises(BadSampleError, match='with 4294967295 faces has'):
        read(tmp_path, data, 'stl')
    text = write_form('stl-ascii', tmp_path).read_text()
    two = text + text.replace('endsolid', '')
    with pytest.raises(BadSampleError, match='has 2 "solid" and 1 "endsolid"'):
        read(tmp_path, two, 'stl')
    assert read(tmp_path, text + text, 'stl').shape == (4000, 3)


def test_ply_faces(tmp_path: Path) -> None:
    path = tmp_path / 'a.ply'
    trimesh.creation.box().export(path)
    assert read_points(str(path)).shape[0] == 8
    points = read_points(str(path), mesh_points=40, ply_faces=True)
    assert points.shape == (40, 3)
    np.testing.assert_allclose(np.abs(points).max(1), 0.5, atol=1e-6)
    np.testing.assert_allclose(points, read_mesh(str(path), 40, 0), rtol=1e-6)
    data = path.read_bytes()
    for old, new in ((b'face 12', b'face 99'), (b'vertex 8', b'vertex 9')):
        assert old in data
        path.write_bytes(data.replace(old, new))
        with pytest.raises(BadSampleError, match='unreadable'):
            read_points(str(path), ply_faces=True)


def test_sample_triangles() -> None:
    triangle = np.array([[[0, 0, 0], [1, 0, 0], [0, 1, 0]]], float)
    points = sample_triangles(triangle, 2000, 0)
    assert points.shape == (2000, 3)
    assert (points >= 0).all()
    assert (points[:, :2].sum(1) <= 1).all()
    np.testing.assert_allclose(points.mean(0), [1 / 3, 1 / 3, 0], atol=0.02)
    with pytest.raises(ValueError, match='its 1 faces have an area of 0'):
        sample_triangles(triangle * 0, 5, 0)
