"""All formats of points against the same faults, and one table of others."""

from __future__ import annotations

import io
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import laspy
import numpy as np
import pytest
import torch
import trimesh

from mmdet3d_act.datasets.readers import (
    POINT_FILE_SUFFIXES,
    BadSampleError,
    read_points,
)
from mmdet3d_act.datasets.readers.arrays import read_hdf5, read_vectors
from tests.test_datasets.test_readers.point_files import (
    CLOUDS,
    FORMS,
    UNCOUNTED,
    cloud,
    pcd,
    ply,
    triangles,
    write_form,
)

SHARES = (0.001, 0.02, 0.05, *np.linspace(0.1, 0.95, 12), 0.98, 0.999)


def read(path: Path, **options: object) -> np.ndarray:
    return read_points(str(path), mesh_points=64, **options)


def save(folder: Path, name: str, data: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def npy(array: np.ndarray | None = None, shape: tuple | None = None) -> bytes:
    """An array as a file, or a header of another shape before 120 bytes."""
    file = io.BytesIO()
    if shape is None:
        np.save(file, array)
        return file.getvalue()
    np.lib.format.write_array_header_1_0(
        file, dict(descr='<f4', fortran_order=False, shape=shape)
    )
    return file.getvalue() + bytes(120)


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('upper', [False, True])
def test_valid(tmp_path: Path, form: str, upper: bool) -> None:
    path = write_form(form, tmp_path)
    if upper:
        path = path.rename(path.with_suffix(path.suffix.upper()))
    points = read(path)
    assert points.dtype == np.float32
    assert points.flags.c_contiguous
    assert points.flags.writeable
    if form in CLOUDS:
        np.testing.assert_allclose(points[:, :3], cloud(), atol=1e-4)
    else:
        assert points.shape == (64, 3)


@pytest.mark.parametrize('form', FORMS)
def test_truncated(tmp_path: Path, form: str) -> None:
    """Refused; but forms without a count give the rows that are there."""
    path = write_form(form, tmp_path)
    data, whole = path.read_bytes(), read(path)
    refused = 0
    for share in SHARES:
        path.write_bytes(data[: max(1, int(share * len(data)))])
        try:
            points = read(path)
        except BadSampleError:
            refused += 1
            continue
        if form == 'obj':
            continue
        if form not in UNCOUNTED:
            assert len(points) == len(whole)
        # The very last number may have lost digits.
        same = points == whole[: len(points)]
        assert same.ravel()[:-1].all()
    assert refused >= (2 if form in UNCOUNTED else len(SHARES) - 1)


@pytest.mark.parametrize('suffix', POINT_FILE_SUFFIXES)
@pytest.mark.parametrize(
    ('content', 'arrived'),
    [
        (b'', 'expected'),
        (np.random.default_rng(11).bytes(3000), 'expected'),
        (b'This is a text, not a cloud.\n' * 9, 'expected'),
        (b'\xff\xd8\xff\xe0\x00\x10JFIF' + bytes(99), 'got a picture'),
        (b'<!DOCTYPE html><html>404</html>', 'web page.*get the file again'),
        (b'version https://git-lfs.github.com/spec/v1\n', 'git lfs pull'),
        (b'\x80\x04\x95' + bytes(50), 'Python pickle.* can run code'),
        ('torch', 'np.save|data.pkl'),
    ],
)
def test_something_else(
    tmp_path: Path, suffix: str, content: bytes | str, arrived: str
) -> None:
    path = tmp_path / f'a{suffix}'
    if content == 'torch':
        torch.save(torch.zeros(9, 3), path)
    else:
        path.write_bytes(content)
    with pytest.raises(BadSampleError, match=rf'a\.\w+: .*({arrived})'):
        read(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(BadSampleError, match=r'b\.npy: .*does not exist'):
        read(tmp_path / 'b.npy')
    (tmp_path / 'c.npy').mkdir()
    with pytest.raises(BadSampleError, match=r'c\.npy: '):
        read(tmp_path / 'c.npy')
    with pytest.raises(ValueError, match=r'b\.bin'):
        read_points(str(tmp_path / 'b.bin'))
    with pytest.raises(BadSampleError, match=r'off\.off: '):
        read_points(str(write_form('off', tmp_path)), mesh_points=0)


ARRAYS = {
    'objects': npy(np.array([{1: 2}], dtype=object)),
    'huge': npy(shape=(10**12, 3)),
    'overflow': npy(shape=(10**30, 3)),
    'negative': npy(shape=(-4, -3)),
    'no array of points': npy(np.zeros((4, 2))),
    'empty': npy(np.zeros((0, 3))),
    'too large for float32': npy(np.diag([1e300, 1, 1])),
}
TEXTS = {
    'two columns': '1 2\n3 4\n',
    'several counts': '3\n4\n5\n',
    'several blocks': '1\n1 2 3\n1\n4 5 6\n',
    'word first': 'H 1 2 3\n',
    'row too short': '1 2 3\n4 5\n',
    'word for y': '1 2 3\n4 x 6\n',
    'no y': '1,2,3\n4,,6\n',
    'nan': '1 2 3\n4 nan 6\n',
    'more names than columns': 'r,x,y,z\n1,2,3\n',
    'count too high': '2\n1 2 3\n',
    'huge count': '1000000000000\n1 2 3\n',
    'binary': b'1 2 3\n' + bytes(range(32)),
}
PLY = {
    'no z': (b'property float z\n', b''),
    'no vertices': (b'element vertex', b'element point'),
    'one more': (b'vertex 40', b'vertex 41'),
    'huge': (b'vertex 40', b'vertex 1000000000000'),
    'type': (b'float x', b'quad x'),
    'no end': (b'end_header\n', b''),
    'endless': (b'end_header\n', b'\n' * 2**19),
}
PCD = {
    'one more': (b'POINTS 40', b'POINTS 41'),
    'huge': (b'POINTS 40', b'POINTS 1000000000000'),
    'negative': (b'POINTS 40', b'POINTS -1'),
    'no z': (b'FIELDS x y z', b'FIELDS x y w'),
    'size': (b'SIZE 4 4 4', b'SIZE 4 4 3'),
    'huge number': (b'COUNT 1 1 1', b'COUNT 1 1 99999999'),
    'encoding': (b'DATA ', b'DATA un'),
}


def _changed(data: bytes, change: tuple[bytes, bytes]) -> bytes:
    assert change[0] in data
    return data.replace(*change, 1)


REFUSED = {
    **{f'npy {k}': ('npy', v) for k, v in ARRAYS.items()},
    **{f'text {k}': ('txt', v) for k, v in TEXTS.items()},
    **{
        f'ply {form} {k}': ('ply', _changed(ply(cloud(), form), change))
        for form in ('ascii', 'binary_little_endian')
        for k, change in PLY.items()
    },
    **{
        f'pcd {form} {k}': ('pcd', _changed(pcd(cloud(), form), change))
        for form in ('ascii', 'binary', 'binary_compressed')
        for k, change in PCD.items()
    },
}


@pytest.mark.parametrize('name', REFUSED)
def test_refused(tmp_path: Path, name: str) -> None:
    suffix, data = REFUSED[name]
    path = save(tmp_path, f'a.{suffix}', data)
    tracemalloc.start()
    with pytest.raises(BadSampleError, match=rf'a\.{suffix}: '):
        read(path)
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()


@pytest.mark.parametrize('dtype', ['<f4', '<f8', '>f4', '<f2', '<i4'])
@pytest.mark.parametrize('order', ['C', 'F'])
def test_npy(tmp_path: Path, dtype: str, order: str) -> None:
    points = np.arange(12).reshape(4, 3)
    np.save(tmp_path / 'a.npy', np.asarray(points, dtype, order=order))
    np.testing.assert_array_equal(read(tmp_path / 'a.npy'), points)


def test_structured_npy(tmp_path: Path) -> None:
    kinds = [('i', 'u1'), ('Z', 'f4'), ('y', 'f4'), ('x', 'f4'), ('n', 'U3')]
    table = np.zeros(3, kinds)
    table['x'] = [1, 2, 3]
    table['i'] = 9
    np.save(tmp_path / 'a.npy', table)
    points = read(tmp_path / 'a.npy')
    assert points.tolist() == [[1, 0, 0, 9], [2, 0, 0, 9], [3, 0, 0, 9]]


def test_npz(tmp_path: Path) -> None:
    path = tmp_path / 'a.npz'
    arrays = {k: np.full((2, 3), v) for k, v in dict(a=1, points=2).items()}
    np.savez_compressed(path, **arrays)
    assert (read(path) == 2).all()
    assert (read(path, npz_key='a') == 1).all()
    with pytest.raises(BadSampleError, match=r'a\.npz: .*points'):
        read(path, npz_key='b')
    np.savez(path, b=arrays['a'])
    assert (read(path) == 1).all()


def test_small_files_do_not_fill_the_memory(tmp_path: Path) -> None:
    """A file is unpacked to at most 64 MB and 256 times its size."""
    with zipfile.ZipFile(
        tmp_path / 'a.npz', 'w', zipfile.ZIP_DEFLATED
    ) as file:
        header = npy(shape=(10**7, 3))[:-120]
        file.writestr('points.npy', header + bytes(12 * 10**7))
    with h5py.File(tmp_path / 'a.h5', 'w') as file:
        file.create_dataset('data', (10**7, 3), 'f4', chunks=(10**5, 3))
    tracemalloc.start()
    with pytest.raises(BadSampleError, match=r'a\.npz: .*fill the memory'):
        read(tmp_path / 'a.npz')
    with pytest.raises(BadSampleError, match=r'a\.h5: .*fill the memory'):
        read_hdf5(str(tmp_path / 'a.h5'), ['data'])
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()


def test_headers_do_not_ask_for_memory(tmp_path: Path) -> None:
    """Numbers for which a library would ask for gigabytes at once."""
    scan = laspy.LasData(laspy.LasHeader(point_format=3))
    scan.x = scan.y = scan.z = np.arange(40)
    scan.write(tmp_path / 'a.laz')
    corners = [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    trimesh.Trimesh(corners, [[0, 1, 2]]).export(tmp_path / 'a.glb')
    laz, glb = (tmp_path / f'a.{kind}' for kind in ('laz', 'glb'))
    huge = (2**32 - 16).to_bytes(4, 'little')
    begin = laz.read_bytes().index(b'laszip encoded') - 2
    for path, at in ((laz, 96), (laz, begin + 54 + 12), (glb, 12)):
        whole = path.read_bytes()
        path.write_bytes(whole[:at] + huge + whole[at + 4 :])
        tracemalloc.start()
        with pytest.raises(BadSampleError, match=path.name):
            read_points(str(path))
        assert tracemalloc.get_traced_memory()[1] < 10**7
        tracemalloc.stop()
        path.write_bytes(whole)
        assert len(read_points(str(path))) >= 3
    data = bytearray(npy(shape=(4, 3)))
    data[6], data[8:12] = 2, huge
    (tmp_path / 'a.npy').write_bytes(data)
    with pytest.raises(BadSampleError, match='fill the memory'):
        read(tmp_path / 'a.npy')


@pytest.mark.parametrize(
    'name', ['outside', 'virtual', 'link', 'soft', 'text', 'group', 'no']
)
def test_hdf5_does_not_open_other_files(tmp_path: Path, name: str) -> None:
    path, secret = str(tmp_path / 'a.h5'), save(tmp_path, 'b', bytes(400))
    with h5py.File(tmp_path / 'c.h5', 'w') as file:
        file['data'] = np.zeros(3)
    layout = h5py.VirtualLayout((3,), 'f8')
    layout[:] = h5py.VirtualSource(str(tmp_path / 'c.h5'), 'data', (3,))
    with h5py.File(path, 'w') as file:
        file.create_dataset(
            'outside', (100,), 'u1', external=[(str(secret), 0, 100)]
        )
        file.create_virtual_dataset('virtual', layout)
        file['link'] = h5py.ExternalLink(str(tmp_path / 'c.h5'), 'data')
        file['soft'] = h5py.SoftLink('/outside')
        file['text'] = 'no numbers'
        file.create_group('group')
    with pytest.raises(BadSampleError, match=r'a\.h5: '):
        read_hdf5(path, [name])


@pytest.mark.parametrize(
    'arrays',
    [
        dict(image=np.ones((2, 3))),
        dict(image=np.ones(3), image_key=['a'] * 3),
        dict(image=np.ones((2, 3)), image_key=['a']),
        dict(image=np.ones((1, 3)), image_key=[1]),
        dict(image=np.ones((2, 3)), image_key=['a', 'a']),
        dict(image=np.full((1, 3), np.nan), image_key=['a']),
    ],
)
def test_wrong_vectors(tmp_path: Path, arrays: dict) -> None:
    np.savez(tmp_path / 'a.npz', **arrays)
    with pytest.raises(BadSampleError, match=r'a\.npz: '):
        read_vectors(str(tmp_path / 'a.npz'), 'image')


@pytest.mark.parametrize(
    'form', ['ascii', 'binary_little_endian', 'binary_big_endian']
)
@pytest.mark.parametrize('faces', [None, triangles()])
@pytest.mark.parametrize('end', [b'\n', b'\r\n'])
def test_ply(
    tmp_path: Path, form: str, faces: np.ndarray | None, end: bytes
) -> None:
    """Also with elements before the vertices, and a byte too many."""
    data = ply(cloud(), form, faces)
    extra = b'element camera 2\nproperty short a\nproperty char b\n'
    data = data.replace(b'element vertex', extra + b'element vertex')
    stop = data.index(b'end_header\n') + 11
    rows = b'1 2\n3 4\n' if form == 'ascii' else bytes(6)
    data = data[:stop].replace(b'\n', end) + rows + data[stop:] + b'\n'
    points = read(save(tmp_path, 'a.ply', data))
    np.testing.assert_array_equal(points[:, :3], cloud())
    assert (points[:, 3] == 7).all()


def test_ply_with_lists(tmp_path: Path) -> None:
    text = (
        'ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\n'
        'property list uchar int neighbours\nproperty float y\n'
        'property float z\nend_header\n1 2 8 9 2 3\n4 0 5 6\n'
    )
    points = read(save(tmp_path, 'a.ply', text))
    assert points.tolist() == [[1, 2, 3], [4, 5, 6]]
    text = (
        'ply\nformat binary_little_endian 1.0\nelement face 1\n'
        'property list uchar uchar i\nelement vertex 1\nproperty uchar x\n'
        'property uchar y\nproperty uchar z\nend_header\n'
    )
    data = text.encode() + bytes([3, 0, 0, 0, 1, 2, 3])
    assert read(save(tmp_path, 'a.ply', data)).tolist() == [[1, 2, 3]]


def test_the_error_is_the_same_from_a_worker() -> None:
    error = BadSampleError(Path('a/b.npy'), 'empty')
    assert str(error) == 'a/b.npy: empty'
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.path, copy.fault) == ('a/b.npy', 'empty')


def test_faces_that_are_left_out_are_told_once(
    tmp_path: Path,
    logged: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr('mmdet3d_act.datasets.readers.ply._with_faces', [])
    data = ply(cloud(), 'binary_little_endian', triangles())
    data = data.replace(b'comment caf\xe9\n', b'')
    path = save(tmp_path, 'a.ply', data)
    read(path, ply_faces=True)
    assert 'faces' not in logged.text
    for _ in range(2):
        read(path)
    assert logged.text.count(f'its {len(triangles())} faces') == 1
