"""Meshes: no face is lost, and their points are spread by area."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh

from mmdet3d_act.datasets.readers import BadSampleError, read_points
from mmdet3d_act.datasets.readers.mesh import read_mesh
from mmdet3d_act.datasets.readers.polygons import triangulate
from tests.test_datasets.test_readers.point_files import (
    MESHES,
    write_form,
)

# Two squares of area 1 and 3 at z 0 and z 5.
QUADS = (
    'OFF\n8 2 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n0 0 5\n3 0 5\n3 1 5\n0 1 5\n'
    '4 0 1 2 3\n4 4 5 6 7\n'
)
# The arrow's area is 1.1, that of fans over it 2.9.
ARROW = [(0, 0), (2, 1), (0, 2), (0.9, 1)]
COMB = [(0, 0), (5, 0), (5, 3), (4, 3), (4, 1), (3, 1), (3, 3), (2, 3)]
COMB += [(2, 1), (1, 1), (1, 3), (0, 3)]
STAR = [(np.cos(0.8 * np.pi * i), np.sin(0.8 * np.pi * i)) for i in range(5)]


def read(tmp_path: Path, data: str | bytes, suffix: str) -> np.ndarray:
    path = tmp_path / f'a.{suffix}'
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_points(str(path), mesh_points=4000, ply_faces=True)


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
    changed = read(tmp_path, QUADS.replace('3 1 5', '3 1.001 5'), 'off')
    # Other random numbers, not the same ones on another mesh.
    assert np.abs(changed - first).max() > 0.5


@pytest.mark.parametrize('polygon', [ARROW, COMB])
@pytest.mark.parametrize('axis', [0, 1, 2])
def test_concave_polygons_are_covered_once(polygon: list, axis: int) -> None:
    flat = np.insert(np.array(polygon, float), axis, 7.0, axis=1)
    x, y = np.array(polygon).T
    area = (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2
    count = len(polygon)
    for start in range(count):
        order = np.roll(np.arange(count), start)
        for face in (order, order[::-1]):
            found = triangulate(flat, [face])
            assert len(found) == count - 2
            a, b, c = flat[found].transpose(1, 0, 2)
            sizes = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
            assert sizes.sum() == pytest.approx(area)


def test_triangulation_keeps_the_order_of_the_faces() -> None:
    grid = np.array([*ARROW, (5, 5), (6, 5), (6, 6), (5, 6)])
    vertices = np.insert(grid, 2, 0, axis=1)
    faces = [[4, 5, 6], [0, 1, 2, 3], [4, 5], [4, 5, 6, 7], [7, 6, 5]]
    found = triangulate(vertices, faces).tolist()
    assert found[0] == [4, 5, 6]
    assert {i for face in found[1:3] for i in face} == {0, 1, 2, 3}
    assert found[3:] == [[4, 5, 6], [4, 6, 7], [7, 6, 5]]
    assert triangulate(vertices, []).shape == (0, 3)


def test_polygons_that_cross_themselves() -> None:
    bow = [(0, 0), (1, 1), (1, 0), (0, 1)]
    for polygon in (STAR, bow):
        vertices = np.insert(np.array(polygon, float), 2, 0, axis=1)
        with pytest.raises(ValueError, match='face 0 of'):
            triangulate(vertices, [range(len(polygon))])


OBJ_SQUARES = [
    # Relative indices in blocks.
    'v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf -4 -3 -2\nf -4 -2 -1\n'
    'v 0 0 5\nv 3 0 5\nv 3 1 5\nv 0 1 5\nf -4 -3 -2\nf -4 -2 -1\n',
    # Quads, texture indices, groups, materials that are absent.
    'mtllib none.mtl\no a\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\n'
    'usemtl red\nf 1/1 2/1 3/1 4/1\no b\nv 0 0 5\nv 3 0 5\nv 3 1 5\n'
    'v 0 1 5\nusemtl blue\nf 5//1 6//1 7//1\nf -4 -2 -1\n',
    # Tabs, indents, comments at the end, long lines in two.
    'v\t0\t0\t0 # one\nv\t1\t0\t0\n\tv 1 1 0\nv 0 1 0 0.5 0.5 0.5\n'
    'v 0 0 5\nv 3 0 5\nv 3 1 5\nv 0 1 5\n\tf 1 2 3 # first\nf\t1\t3\t4\n'
    '  f 5 6 \\\n 7 8\n',
]


@pytest.mark.parametrize('text', OBJ_SQUARES)
@pytest.mark.parametrize('end', ['\n', '\r\n'])
def test_no_face_of_an_obj_is_lost(
    tmp_path: Path, text: str, end: str
) -> None:
    points = read(tmp_path, text.replace('\n', end), 'obj')
    assert set(points[:, 2].tolist()) == {0, 5}
    assert abs((points[:, 2] == 5).mean() - 0.75) < 0.03


@pytest.mark.parametrize(
    'start',
    ['OFF8 2 0\n', 'OFF 8 2 0\n', '# c\nOFF # c\n\n8 2 0\n', 'COFF\n8 2\n'],
)
def test_off_headers(tmp_path: Path, start: str) -> None:
    text = QUADS.replace('OFF\n8 2 0\n', start)
    np.testing.assert_array_equal(
        read(tmp_path, text, 'off'), read(tmp_path, QUADS, 'off')
    )


BAD = {
    'one face more': ('off', QUADS.replace('8 2 0', '8 3 0')),
    'huge': ('off', QUADS.replace('8 2 0', '1000000000000 2 0')),
    'index missing': ('off', QUADS.replace('4 5 6 7', '4 5 6')),
    'index too high': ('off', QUADS.replace('4 5 6 7', '4 5 6 8')),
    'two coordinates': ('off', QUADS.replace('0 1 5', '0 1')),
    'flat': ('off', 'OFF\n3 1 0\n0 0 0\n1 1 1\n2 2 2\n3 0 1 2\n'),
    'too large': ('off', 'OFF\n3 1 0\n0 0 0\n1e200 0 0\n0 1e200 0\n3 0 1 2\n'),
    'nan': ('off', 'OFF\n3 1 0\n0 0 0\nnan 0 0\n0 1 0\n3 0 1 2\n'),
    'nothing': ('off', 'OFF\n0 0 0\n'),
    'vertex 0': ('obj', 'v 0 0 0\nv 1 0 0\nv 1 1 0\nf 0 1 2\n'),
    'vertex -4': ('obj', 'v 0 0 0\nv 1 0 0\nv 1 1 0\nf -1 -2 -4\n'),
    'free form': ('obj', 'v 0 0 0\nv 1 0 0\nsurf 0 1 0 1 1 2\n'),
}


@pytest.mark.parametrize('name', BAD)
def test_bad_meshes(tmp_path: Path, name: str) -> None:
    suffix, text = BAD[name]
    with pytest.raises(BadSampleError, match=rf'a\.{suffix}: '):
        read(tmp_path, text, suffix)


def test_a_file_without_faces_is_a_cloud(tmp_path: Path) -> None:
    text = 'o one\nv 1 2 3\nv 4 5 6\no two\nv 7 8 9\n'
    expected = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert read(tmp_path, text, 'obj').tolist() == expected
    text = 'OFF\n2 0 0\n1 2 3\n4 5 6\n'
    assert read(tmp_path, text, 'off').tolist() == expected[:2]


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
    with pytest.raises(BadSampleError, match=r'model\.gltf: '):
        read_points(str(path))


def edit_glb(change: dict | None = None, **primitive: object) -> bytes:
    """The scene's file with another description of it."""
    data = scene_glb()
    (length,) = struct.unpack('<I', data[12:16])
    content = json.loads(data[20 : 20 + length]) | (change or {})
    if primitive:
        content['meshes'][0]['primitives'][0].update(primitive)
    text = json.dumps(content).encode()
    text += b' ' * (-len(text) % 4)
    rest = data[20 + length :]
    size = struct.pack('<I', 20 + len(text) + len(rest))
    chunk = struct.pack('<I', len(text))
    return data[:8] + size + chunk + data[16:20] + text + rest


NODES = [dict(mesh=1, name=str(i)) for i in range(2000)]
BARE = [dict(count=10**12, type='VEC3', componentType=5126)] * 9
COPIES = dict(nodes=NODES, scenes=[dict(nodes=list(range(2000)))], scene=0)


@pytest.mark.parametrize(
    ('reason', 'change'),
    [
        ('KHR_draco_m', dict(extensionsRequired=['KHR_draco_mesh_compr'])),
        ('EXT_mesh_gpu', dict(extensionsUsed=['EXT_mesh_gpu_instancing'])),
        ('without data', dict(accessors=BARE)),
        ('fill the memory', COPIES),
        ('glTF', dict(meshes=[], nodes=[], scenes=[])),
        ('glTF', dict(accessors='no')),
    ],
)
def test_glb_that_would_not_be_read_whole(
    tmp_path: Path, reason: str, change: dict
) -> None:
    with pytest.raises(BadSampleError, match=rf'a\.glb: .*{reason}'):
        read(tmp_path, edit_glb(change), 'glb')


def test_glb_modes(tmp_path: Path) -> None:
    for mode in (5, 6):
        with pytest.raises(BadSampleError, match='fans'):
            read(tmp_path, edit_glb(mode=mode), 'glb')
    harmless = dict(extensionsUsed=['KHR_materials_ior', 'KHR_texture_basisu'])
    assert len(read(tmp_path, edit_glb(harmless), 'glb')) == 4000


def test_stl_faults(tmp_path: Path) -> None:
    whole = write_form('stl', tmp_path).read_bytes()
    data = whole[:80] + struct.pack('<I', 2**32 - 1) + whole[84:]
    with pytest.raises(BadSampleError, match='4294967295'):
        read(tmp_path, data, 'stl')
    text = write_form('stl-ascii', tmp_path).read_text()
    for bad in (
        text + text.replace('endsolid', ''),
        text.replace('endfacet', '', 1),
    ):
        with pytest.raises(BadSampleError, match=r'a\.stl: '):
            read(tmp_path, bad, 'stl')
    assert read(tmp_path, text + text, 'stl').shape == (4000, 3)


def test_ply_faces(tmp_path: Path) -> None:
    path = tmp_path / 'a.ply'
    trimesh.creation.box().export(path)
    assert read_points(str(path)).shape[0] == 8
    points = read_points(str(path), mesh_points=40, ply_faces=True)
    np.testing.assert_allclose(np.abs(points).max(1), 0.5, atol=1e-6)
    np.testing.assert_allclose(points, read_mesh(str(path), 40), rtol=1e-6)
    data = path.read_bytes()
    read(tmp_path, data + b'\n', 'ply')
    for old, new in ((b'face 12', b'face 99'), (b'vertex 8', b'vertex 9')):
        assert old in data
        with pytest.raises(BadSampleError, match=r'a\.ply: '):
            read(tmp_path, data.replace(old, new), 'ply')
    strips = data.replace(b'element face', b'element tristrips')
    with pytest.raises(BadSampleError, match='tristrips'):
        read(tmp_path, strips, 'ply')


@pytest.mark.parametrize('name', ['vertex_indices', 'vertex_index'])
def test_ply_of_mixed_polygons(tmp_path: Path, name: str) -> None:
    """A triangle and a concave polygon, in binary form."""
    corners = np.array([*ARROW, (9, 9), (9, 8), (8, 9)])
    vertices = np.insert(corners, 2, 0, axis=1).astype('<f4')
    data = (
        'ply\nformat binary_little_endian 1.0\nelement vertex 7\n'
        'property float x\nproperty float y\nproperty float z\n'
        f'element face 2\nproperty list uchar int {name}\nend_header\n'
    ).encode()
    data += vertices.tobytes()
    data += struct.pack('<B3iB4i', 3, 4, 5, 6, 4, 0, 1, 2, 3)
    points = read(tmp_path, data, 'ply')
    arrow = points[:, 0] < 5
    assert abs(arrow.mean() - 1.1 / 1.6) < 0.03
    # Nothing in the notch.
    assert (points[arrow, 0] >= 0.9 * (1 - abs(points[arrow, 1] - 1))).all()
    with pytest.raises(BadSampleError, match=r'a\.ply: '):
        read(tmp_path, data[:-3], 'ply')
