from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets.readers import BadSampleError, read_points
from mmdet3d_act.datasets.readers.arrays import read_array, read_npy, read_npz


def npy_header(shape: tuple[int, ...], dtype: str = '<f4') -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, dict(descr=dtype, fortran_order=False, shape=shape)
    )
    return file.getvalue()


@pytest.mark.parametrize('dtype', ['<f4', '<f8', '>f4', '<f2', '<i4'])
@pytest.mark.parametrize('order', ['C', 'F'])
def test_npy(tmp_path: Path, dtype: str, order: str) -> None:
    points = np.arange(12).reshape(4, 3)
    path = tmp_path / 'a.npy'
    np.save(path, np.asarray(points, dtype, order=order))
    read = read_points(str(path))
    assert read.dtype == np.float32
    assert read.flags.c_contiguous
    assert read.flags.writeable
    np.testing.assert_array_equal(read, points)


def test_structured_npy(tmp_path: Path) -> None:
    table = np.zeros(3, [('i', 'u1'), ('z', 'f4'), ('y', 'f4'), ('x', 'f4')])
    table['x'] = [1, 2, 3]
    table['i'] = 9
    np.save(tmp_path / 'a.npy', table)
    read = read_npy(str(tmp_path / 'a.npy'))
    assert read[:, 0].tolist() == [1, 2, 3]
    assert (read[:, 3] == 9).all()


@pytest.mark.parametrize(
    ('arrays', 'key', 'expected'),
    [
        (dict(a=1), None, 1),
        (dict(a=1, points=2), None, 2),
        (dict(a=1, points=2), 'a', 1),
    ],
)
@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_npz(
    tmp_path: Path, arrays: dict, key: str | None, expected: int, save: object
) -> None:
    path = tmp_path / 'a.npz'
    save(path, **{k: np.full((2, 3), v) for k, v in arrays.items()})
    assert (read_points(str(path), key) == expected).all()


def test_npz_without_the_key(tmp_path: Path) -> None:
    path = tmp_path / 'a.npz'
    np.savez(path, a=np.zeros((2, 3)), b=np.zeros((2, 3)))
    with pytest.raises(BadSampleError, match=r"named 'points'.*'a', 'b'"):
        read_points(str(path))


def test_pickled_npy_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / 'a.npy'
    np.save(path, np.array([{1: 2}], dtype=object))
    with pytest.raises(BadSampleError, match='allow_pickle=False'):
        read_points(str(path))


@pytest.mark.parametrize(
    'shape', [(10**12, 3), (10**30, 3), (-4, 3), (-4, -3)]
)
def test_huge_header(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """Refused before memory is asked for, in a file and in an archive."""
    data = npy_header(shape) + bytes(120)
    path = tmp_path / 'a.npy'
    path.write_bytes(data)
    archive = tmp_path / 'a.npz'
    with zipfile.ZipFile(archive, 'w') as file:
        file.writestr('points.npy', data)
    tracemalloc.start()
    with pytest.raises(ValueError, match='header promises float32 of shape'):
        read_npy(str(path))
    with pytest.raises(ValueError, match='header promises float32 of shape'):
        read_npz(str(archive), None)
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


def test_read_array_with_less_data_than_said() -> None:
    data = npy_header((5, 3)) + bytes(59)
    with pytest.raises(ValueError, match='truncated after 59 of 60 bytes'):
        read_array(io.BytesIO(data), len(data) + 1)
