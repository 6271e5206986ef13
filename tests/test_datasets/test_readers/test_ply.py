from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets.readers import BadSampleError, read_points
from mmdet3d_act.datasets.readers.ply import read_ply_header
from tests.test_datasets.test_readers.point_files import (
    cloud,
    ply,
    triangles,
)

FORMS = ('ascii', 'binary_little_endian', 'binary_big_endian')


def read(tmp_path: Path, data: bytes) -> np.ndarray:
    path = tmp_path / 'a.ply'
    path.write_bytes(data)
    return read_points(str(path))


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('faces', [None, triangles()])
@pytest.mark.parametrize('end', [b'\n', b'\r\n'])
def test_ply(
    tmp_path: Path, form: str, faces: np.ndarray | None, end: bytes
) -> None:
    data = ply(cloud(), form, faces)
    stop = data.index(b'end_header\n') + 11
    data = data[:stop].replace(b'\n', end) + data[stop:]
    points = read(tmp_path, data)
    np.testing.assert_array_equal(points[:, :3], cloud())
    assert (points[:, 3] == 7).all()


@pytest.mark.parametrize('form', FORMS[:2])
def test_elements_before_the_vertices(tmp_path: Path, form: str) -> None:
    data = ply(cloud(), form)
    extra = b'element camera 2\nproperty short a\nproperty char b\n'
    data = data.replace(b'element vertex', extra + b'element vertex')
    rows = b'1 2\n3 4\n' if form == 'ascii' else bytes(6)
    data = data.replace(b'end_header\n', b'end_header\n' + rows)
    np.testing.assert_array_equal(read(tmp_path, data)[:, :3], cloud())


def test_vertices_with_lists(tmp_path: Path) -> None:
    text = (
        'ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\n'
        'property list uchar int neighbours\nproperty float y\n'
        'property float z\nend_header\n1 2 8 9 2 3\n4 0 5 6\n'
    )
    points = read(tmp_path, text.encode())
    assert points.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_lists_before_binary_vertices(tmp_path: Path) -> None:
    text = (
        'ply\nformat binary_little_endian 1.0\nelement face 1\n'
        'property list uchar uchar i\nelement vertex 1\nproperty uchar x\n'
        'property uchar y\nproperty uchar z\nend_header\n'
    )
    points = read(tmp_path, text.encode() + bytes([3, 0, 0, 0, 1, 2, 3]))
    assert points.tolist() == [[1, 2, 3]]


@pytest.mark.parametrize(
    ('old', 'new', 'fault'),
    [
        (
            b'property float z\n',
            b'',
            r"(no \['z'\]|40 vertices of 3 numbers, \(40, 4\))",
        ),
        (b'element vertex', b'element point', "no vertices, only .'point'"),
        (b'vertex 40', b'vertex 0', 'no points'),
        (b'vertex 40', b'vertex 41', 'truncated: .* promises'),
        (b'vertex 40', b'vertex 1000000000000', 'truncated: .* promises'),
        (b'vertex 40', b'vertex -1', "the line 'element vertex -1'"),
        (b'float x', b'quad x', "the line 'property quad x'"),
        (b'format', b'formed', "the line 'formed"),
        (b'1.0\n', b'1.0\nnonsense\n', "the line 'nonsense'"),
        (b'end_header\n', b'', 'header has'),
        (b'ply\n', b'plx\n', 'does not begin with the line "ply"'),
    ],
)
@pytest.mark.parametrize('form', FORMS[:2])
def test_faults(
    tmp_path: Path, old: bytes, new: bytes, fault: str, form: str
) -> None:
    data = ply(cloud(), form)
    assert old in data
    with pytest.raises(BadSampleError, match=rf'a\.ply: .*{fault}'):
        read(tmp_path, data.replace(old, new, 1))


def test_rows_of_another_width(tmp_path: Path) -> None:
    data = ply(cloud(), 'ascii').replace(b'\n7 ', b'\n7 8 ')
    with pytest.raises(BadSampleError, match=r'40 vertices of 4 .*\(40, 5\)'):
        read(tmp_path, data)


def test_header() -> None:
    data = ply(cloud(), 'ascii', triangles())
    header = read_ply_header(io.BytesIO(data), len(data))
    vertex, face = header.elements
    assert (vertex.name, vertex.count, vertex.has_lists) == ('vertex', 40, 0)
    assert (face.count, face.has_lists) == (38, True)
    assert vertex.row_bytes(is_ascii=False) == 13


def test_endless_header(tmp_path: Path) -> None:
    data = b'ply\nformat ascii 1.0\n' + b'\n' * 2**19
    with pytest.raises(BadSampleError, match='header has no end'):
        read(tmp_path, data)
