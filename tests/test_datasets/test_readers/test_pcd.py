from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets.readers import BadSampleError, read_points
from mmdet3d_act.datasets.readers.pcd import decompress_lzf, read_pcd
from tests.test_datasets.test_readers.point_files import (
    cloud,
    lzf_literals,
    pcd,
    pcd_header,
)

FORMS = ('ascii', 'binary', 'binary_compressed')
# By LibLZF 3.6: x 0.5 0.25 -1 eight times, y 0 to 5 four times each, z 0.
LZF = base64.b64decode(
    'BwAAAD8AAIA+IAMBvwDgTQvgBgAAgEBv4AIDAQBA4AUDAEAgD+ADAwCAIA/gAwMAoCAP4AMD'
    '4FMAAQAA'
)
LZF_POINTS = np.stack(
    [np.tile([0.5, 0.25, -1], 8), np.repeat(np.arange(6), 4), np.zeros(24)]
).astype(np.float32)
COLORED = (
    'VERSION .7\nFIELDS _ x y z rgb normal _\nSIZE 1 4 8 2 4 4 1\n'
    'TYPE U F F I {} F U\nCOUNT 2 1 1 1 1 2 3\nWIDTH 2\nHEIGHT 2\n'
    'POINTS 4\nDATA {}\n'
)


def read(tmp_path: Path, data: bytes) -> np.ndarray:
    path = tmp_path / 'a.pcd'
    path.write_bytes(data)
    return read_points(str(path))


@pytest.mark.parametrize('form', FORMS)
def test_pcd(tmp_path: Path, form: str) -> None:
    points = read(tmp_path, pcd(cloud(), form))
    np.testing.assert_array_equal(points, cloud())


def test_lzf_of_the_library(tmp_path: Path) -> None:
    assert decompress_lzf(LZF, LZF_POINTS.nbytes) == LZF_POINTS.tobytes()
    sizes = np.array([len(LZF), LZF_POINTS.nbytes], '<u4').tobytes()
    data = pcd_header(LZF_POINTS.T, 'binary_compressed') + sizes + LZF
    np.testing.assert_array_equal(read(tmp_path, data), LZF_POINTS.T)


@pytest.mark.parametrize(
    ('data', 'size'),
    [
        (LZF[:-1], LZF_POINTS.nbytes),
        (LZF, LZF_POINTS.nbytes - 1),
        (LZF + b'\x00a', LZF_POINTS.nbytes),
        (b'\x20\x05', 3),
        (lzf_literals(b'abc')[:-1], 3),
    ],
)
def test_damaged_lzf(data: bytes, size: int) -> None:
    with pytest.raises(ValueError, match='damaged LZF data'):
        decompress_lzf(data, size)


def _table(kind: str) -> np.ndarray:
    """Padding, colours and a pixel without a measurement."""
    rgb = np.array([0x00FF8001, 0x7F800102, 0xFF030405, 0], np.uint32)
    table = np.zeros(
        4,
        [
            ('a', 'u1', 2),
            ('x', '<f4'),
            ('y', '<f8'),
            ('z', '<i2'),
            ('rgb', kind),
            ('n', '<f4', 2),
            ('b', 'u1', 3),
        ],
    )
    table['a'] = 77
    table['x'] = [1, 2, np.nan, 4]
    table['y'] = 5
    table['z'] = -6
    table['rgb'] = rgb.view(kind)
    table['n'] = [8, 9]
    return table


@pytest.mark.parametrize(('letter', 'kind'), [('F', '<f4'), ('U', '<u4')])
def test_colours_padding_and_missing_points(
    tmp_path: Path, letter: str, kind: str
) -> None:
    data = COLORED.format(letter, 'binary').encode() + _table(kind).tobytes()
    assert read(tmp_path, data).tolist() == [
        [1, 5, -6, 255, 128, 1, 8, 9],
        [2, 5, -6, 128, 1, 2, 8, 9],
        [4, 5, -6, 0, 0, 0, 8, 9],
    ]


def test_ascii_colours(tmp_path: Path) -> None:
    rows = '0 0 1 5 -6 16744449 8 9 0 0 0\n0 0 nan nan 0 0 8 9 0 0 0\n'
    text = COLORED.format('U', 'ascii') + rows * 2
    points = read(tmp_path, text.encode())
    assert points.tolist() == [[1, 5, -6, 255, 128, 1, 8, 9]] * 2


def test_only_missing_points(tmp_path: Path) -> None:
    with pytest.raises(BadSampleError, match='no points'):
        read(tmp_path, pcd(cloud() * np.nan, 'binary'))


@pytest.mark.parametrize(
    ('old', 'new', 'fault'),
    [
        (b'POINTS 40', b'POINTS 41', 'truncated'),
        (b'POINTS 40', b'POINTS 1000000000000', 'truncated: .* promises 10'),
        (b'POINTS 40', b'POINTS -1', 'header has -1 points'),
        (b'POINTS 40', b'POINTS 0', 'no points|truncated'),
        (b'FIELDS x y z', b'FIELDS x y w', r"no \['z'\]"),
        (b'FIELDS x y z', b'FIELDS x y', 'shorter|longer'),
        (b'SIZE 4 4 4', b'SIZE 4 4 3', 'the field'),
        (b'COUNT 1 1 1', b'COUNT 1 1 -1', 'the field'),
        (b'COUNT 1 1 1', b'COUNT 1 1 99999999', 'truncated'),
        (b'DATA ', b'DATA un', "as 'un"),
        (b'TYPE F F F\n', b'', r"header has no \['TYPE'\]"),
    ],
)
@pytest.mark.parametrize('form', FORMS)
def test_faults(
    tmp_path: Path, old: bytes, new: bytes, fault: str, form: str
) -> None:
    data = pcd(cloud(), form)
    assert old in data
    with pytest.raises(BadSampleError, match=rf'a\.pcd: .*({fault})'):
        read(tmp_path, data.replace(old, new, 1))


def test_compressed_size_that_is_not_there(tmp_path: Path) -> None:
    header = pcd_header(cloud(), 'binary_compressed')
    sizes = np.array([2**32 - 1, 480], '<u4').tobytes()
    path = tmp_path / 'a.pcd'
    path.write_bytes(header + sizes + bytes(500))
    with pytest.raises(ValueError, match='4294967295 compressed bytes'):
        read_pcd(str(path))
