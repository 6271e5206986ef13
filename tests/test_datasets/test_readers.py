from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets.readers import (
    BadSampleError,
    check_points,
    read_points,
)


def _write_ply(path: Path, points: np.ndarray, form: str) -> None:
    header = (
        f'ply\nformat {form} 1.0\ncomment test\n'
        f'element vertex {len(points)}\n'
        'property uchar red\nproperty float x\nproperty float y\n'
        'property float z\nend_header\n'
    )
    if form == 'ascii':
        rows = '\n'.join(
            ' '.join(['7', *(repr(float(v)) for v in p)]) for p in points
        )
        path.write_text(header + rows + '\n')
        return
    order = '<' if 'little' in form else '>'
    kind = [('red', 'u1'), *((axis, f'{order}f4') for axis in 'xyz')]
    rows = np.empty(len(points), kind)
    rows['red'] = 7
    for i, axis in enumerate('xyz'):
        rows[axis] = points[:, i]
    path.write_bytes(header.encode() + rows.tobytes())


@pytest.mark.parametrize('dtype', ['<f4', '<f8', '>f4', '<f2', '<i4'])
@pytest.mark.parametrize('order', ['C', 'F'])
def test_npy(tmp_path: Path, dtype: str, order: str) -> None:
    points = np.arange(12).reshape(4, 3)
    path = tmp_path / 'a.npy'
    np.save(path, np.asarray(points, dtype, order=order))
    read = read_points(str(path))
    assert read.dtype == np.float32
    assert read.flags.c_contiguous
    np.testing.assert_array_equal(read, points)


@pytest.mark.parametrize(
    ('arrays', 'key', 'expected'),
    [
        (dict(a=1), None, 1),
        (dict(a=1, points=2), None, 2),
        (dict(a=1, points=2), 'a', 1),
    ],
)
def test_npz(
    tmp_path: Path, arrays: dict, key: str | None, expected: int
) -> None:
    path = tmp_path / 'a.npz'
    np.savez(path, **{k: np.full((2, 3), v) for k, v in arrays.items()})
    assert (read_points(str(path), key) == expected).all()


def test_npz_without_the_key(tmp_path: Path) -> None:
    path = tmp_path / 'a.npz'
    np.savez(path, a=np.zeros((2, 3)), b=np.zeros((2, 3)))
    with pytest.raises(BadSampleError, match=r"named 'points'.*'a', 'b'"):
        read_points(str(path))


@pytest.mark.parametrize('delimiter', [',', ' ', '\t', ', '])
def test_txt(tmp_path: Path, cloud: np.ndarray, delimiter: str) -> None:
    path = tmp_path / 'a.txt'
    rows = np.concatenate([cloud, cloud], axis=1)
    np.savetxt(path, rows, delimiter=delimiter, fmt='%.6f')
    np.testing.assert_allclose(read_points(str(path)), rows, atol=1e-5)


def test_txt_of_one_point(tmp_path: Path) -> None:
    path = tmp_path / 'a.txt'
    path.write_text('1,2,3\n')
    assert read_points(str(path)).tolist() == [[1, 2, 3]]


@pytest.mark.parametrize(
    'form', ['ascii', 'binary_little_endian', 'binary_big_endian']
)
def test_ply(tmp_path: Path, cloud: np.ndarray, form: str) -> None:
    path = tmp_path / 'a.ply'
    _write_ply(path, cloud, form)
    read = read_points(str(path))
    np.testing.assert_array_equal(read[:, :3], cloud)
    assert (read[:, 3] == 7).all()


def test_ply_without_z(tmp_path: Path) -> None:
    path = tmp_path / 'a.ply'
    path.write_text(
        'ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\n'
        'property float y\nend_header\n1 2\n'
    )
    with pytest.raises(BadSampleError, match=r"a\.ply: .*no \['z'\]"):
        read_points(str(path))


@pytest.mark.parametrize('suffix', ['npy', 'npz', 'txt', 'ply'])
def test_garbage(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f'a.{suffix}'
    path.write_bytes(b'\x93 no such thing \xff\xfe')
    with pytest.raises(BadSampleError, match=rf'a\.{suffix}: unreadable'):
        read_points(str(path))


@pytest.mark.parametrize('suffix', ['npy', 'npz', 'txt', 'ply'])
def test_empty_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f'a.{suffix}'
    path.touch()
    with pytest.raises(BadSampleError, match='the file has 0 bytes'):
        read_points(str(path))


def test_truncated_npy(tmp_path: Path, cloud: np.ndarray) -> None:
    path = tmp_path / 'a.npy'
    np.save(path, cloud)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(BadSampleError, match=r'a\.npy: unreadable'):
        read_points(str(path))


def test_pickled_npy_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / 'a.npy'
    np.save(path, np.array([{1: 2}], dtype=object), allow_pickle=True)
    with pytest.raises(BadSampleError, match='allow_pickle=False'):
        read_points(str(path))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadSampleError, match=r'b\.npy: .*does not exist'):
        read_points(str(tmp_path / 'b.npy'))


def test_unknown_suffix(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'ending in one of .*b\.bin'):
        read_points(str(tmp_path / 'b.bin'))


@pytest.mark.parametrize(
    ('points', 'fault'),
    [
        (np.zeros((0, 3)), 'empty'),
        (np.zeros((4, 2)), r'\(N, 3 \+ F\), got shape \(4, 2\)'),
        (np.zeros(3), r'got shape \(3,\)'),
        (np.zeros((4, 3), complex), 'real numbers, got type complex'),
        (np.diag([1, np.nan, np.inf]), '2 of 3 .* the first is point 1'),
        (np.full((1, 3), 1e300), '1 of 1 points'),
    ],
)
def test_check_points(points: np.ndarray, fault: str) -> None:
    with pytest.raises(BadSampleError, match=f'name: .*{fault}'):
        check_points(points, 'name')
