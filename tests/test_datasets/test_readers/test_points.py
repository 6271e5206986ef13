"""What points and labels have to be, whatever their format."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets.readers import (
    BadSampleError,
    check_cloud,
    check_header,
    check_labels,
    read_points,
)
from mmdet3d_act.datasets.readers.pcd import decompress_lzf
from tests.test_datasets.test_readers.point_files import (
    lzf_literals,
    pcd_header,
)


def test_points_become_float32() -> None:
    points = np.arange(12).reshape(4, 3)[:, ::-1]
    checked, offset, _ = check_cloud(points, 'name')
    assert checked.dtype == np.float32
    assert checked.flags.c_contiguous
    np.testing.assert_array_equal(checked, points)
    assert not offset.any()
    for shape in ((2048, 3), (32, 9), (3, 9)):
        assert check_cloud(np.ones(shape), 'name').points.shape == shape


def test_columns_in_use_must_be_finite() -> None:
    """All faults are counted, the first three told."""
    points = np.arange(60.0).reshape(20, 3)
    points[[3, 5, 7, 9], 1] = np.nan
    with pytest.raises(BadSampleError) as caught:
        check_cloud(points, 'name')
    text = str(caught.value)
    assert text.startswith('name: 4 of 20 points')
    assert '3 [9.0, nan, 11.0], 5 [15.0, nan, 17.0], 7 [21.0, nan' in text
    assert '27.0' not in text
    points = np.ones((5, 6))
    points[2, 4] = np.inf
    assert check_cloud(points, 'name', 4).points.shape == (5, 6)
    with pytest.raises(BadSampleError, match='1 of 5 points'):
        check_cloud(points, 'name', 5)


@pytest.mark.parametrize('shape', [(3, 2048), (9, 32), (6, 100)])
def test_channels_first(shape: tuple[int, int]) -> None:
    with pytest.raises(BadSampleError, match='transpose'):
        check_cloud(np.ones(shape), 'name')


@pytest.mark.parametrize('dtype', [np.float64, np.int64])
def test_map_coordinates_keep_their_detail(dtype: type) -> None:
    """At 5.4e6 float32 has steps of 0.5; the scan is 20 wide."""
    rng = np.random.default_rng(0)
    scan = rng.uniform(-10, 10, (100, 3)).astype(dtype)
    shift = np.array([5e5, 5.4e6, 100]).astype(dtype)
    points = np.concatenate([scan + shift, scan], axis=1)
    checked, offset, _ = check_cloud(points, 'name')
    assert offset.dtype == np.float64
    assert np.array_equal(offset, offset.round())
    np.testing.assert_array_equal(checked[:, 3:], scan.astype(np.float32))
    back = checked[:, :3] + offset
    np.testing.assert_allclose(back, points[:, :3], rtol=0, atol=1e-5)
    assert np.abs(checked[:, :3]).max() < 21


def test_labels_become_whole_numbers() -> None:
    labels = check_labels(np.float32([0, 49, 7]), 'name')
    assert labels.dtype == np.int64
    assert labels.tolist() == [0, 49, 7]
    assert check_labels(np.array([7, 6], np.uint8), 'name', [6, 7]).size == 2


@pytest.mark.parametrize(
    ('values', 'allowed', 'text'),
    [
        ([0, 1.5, 2.5], None, '2 of 3 .*1.5 of point 1, 2.5 of point 2'),
        ([0, 1, -1], None, '-1 of point 2'),
        ([6, 8, 7], [6, 7], '1 of 3 .*8 of point 1'),
        ([0, 1e30], range(13), '1e[+]30 of point 1'),
        ([0, np.nan], None, 'nan of point 1'),
    ],
)
def test_labels_that_are_none(
    values: list, allowed: list | None, text: str
) -> None:
    with pytest.raises(BadSampleError, match=f'name: .*{text}'):
        check_labels(np.array(values), 'name', allowed)


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


def read_pcd(tmp_path: Path, data: bytes) -> np.ndarray:
    path = tmp_path / 'a.pcd'
    path.write_bytes(data)
    return read_points(str(path))


def test_lzf_of_the_library(tmp_path: Path) -> None:
    assert decompress_lzf(LZF, LZF_POINTS.nbytes) == LZF_POINTS.tobytes()
    sizes = np.array([len(LZF), LZF_POINTS.nbytes], '<u4').tobytes()
    data = pcd_header(LZF_POINTS.T, 'binary_compressed') + sizes + LZF
    np.testing.assert_array_equal(read_pcd(tmp_path, data), LZF_POINTS.T)


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
    with pytest.raises(ValueError, match='LZF'):
        decompress_lzf(data, size)


@pytest.mark.parametrize(('letter', 'kind'), [('F', '<f4'), ('U', '<u4')])
def test_colours_padding_and_missing_points(
    tmp_path: Path, letter: str, kind: str
) -> None:
    colors = np.array([0x00FF8001, 0x7F800102, 0xFF030405, 0], np.uint32)
    kinds = [('a', 'u1', 2), ('x', '<f4'), ('y', '<f8'), ('z', '<i2')]
    kinds += [('rgb', kind), ('n', '<f4', 2), ('b', 'u1', 3)]
    table = np.zeros(4, kinds)
    table['a'], table['y'], table['z'], table['n'] = 77, 5, -6, [8, 9]
    table['x'] = [1, 2, np.nan, 4]
    table['rgb'] = colors.view(kind)
    data = COLORED.format(letter, 'binary').encode() + table.tobytes()
    assert read_pcd(tmp_path, data).tolist() == [
        [1, 5, -6, 255, 128, 1, 8, 9],
        [2, 5, -6, 128, 1, 2, 8, 9],
        [4, 5, -6, 0, 0, 0, 8, 9],
    ]


def test_ascii_colours(tmp_path: Path) -> None:
    rows = '0 0 1 5 -6 16744449 8 9 0 0 0\n0 0 nan nan 0 0 8 9 0 0 0\n'
    text = COLORED.format('U', 'ascii') + rows * 2
    points = read_pcd(tmp_path, text.encode())
    assert points.tolist() == [[1, 5, -6, 255, 128, 1, 8, 9]] * 2


@pytest.mark.parametrize('name', ['a.npy', 'a.ply', 'a.pcd', 'a.txt', 'a.laz'])
def test_a_bad_beginning_is_found_without_reading_on(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(b'nothing of this kind')
    for content in (b'nothing of this kind', b''):
        path.write_bytes(content)
        with pytest.raises(BadSampleError, match=name):
            check_header(str(path))
    with pytest.raises(BadSampleError, match='does not exist'):
        check_header(str(tmp_path / 'gone' / name))


def test_a_good_beginning_is_enough(tmp_path: Path) -> None:
    rows = [*(['# of a scanner'] * 40), *(['1 2 3'] * 500), 'no numbers']
    (tmp_path / 'a.txt').write_text('\n'.join(rows))
    np.save(tmp_path / 'a.npy', np.zeros((4, 3)))
    data = pcd_header(np.zeros((4, 3)), 'binary')
    (tmp_path / 'a.pcd').write_bytes(data)
    for name in ('a.txt', 'a.npy', 'a.pcd'):
        check_header(str(tmp_path / name))
    np.save(tmp_path / 'a.npy', np.zeros((3, 4096)))
    with pytest.raises(BadSampleError, match='transpose'):
        check_header(str(tmp_path / 'a.npy'))
