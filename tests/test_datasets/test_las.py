"""Laser scans."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets import BadSampleError, PointFolder
from mmdet3d_act.datasets.readers import read_cloud

PLACE = np.array([448000.0, 5412000, 100])
POINTS = np.random.default_rng(0).uniform(0, 50, (200, 3))


def write_las(path: Path, form: int) -> None:
    laspy = pytest.importorskip('laspy')
    header = laspy.LasHeader(point_format=form, version='1.4')
    header.scales, header.offsets = [0.001] * 3, PLACE
    scan = laspy.LasData(header)
    scan.xyz = POINTS + PLACE
    scan.classification = np.arange(200) % 7
    scan.intensity = np.arange(200)
    if form in (3, 7):
        scan.red = np.arange(200)
    scan.write(path)


@pytest.mark.parametrize(
    ('name', 'form', 'width'), [('a.las', 1, 5), ('b.laz', 7, 8)]
)
def test_las(name: str, form: int, width: int, tmp_path: Path) -> None:
    write_las(tmp_path / name, form)
    rows, offset, names = read_cloud(str(tmp_path / name))
    assert rows.shape == (200, width)
    colors = ('red', 'green', 'blue')[: width - 5]
    assert names == ('classification', 'intensity', *colors)
    np.testing.assert_allclose(
        rows[:, :3] + offset, POINTS + PLACE, atol=1e-3, rtol=0
    )
    np.testing.assert_array_equal(rows[:, 3], np.arange(200) % 7)
    np.testing.assert_array_equal(rows[:, 4], np.arange(200))
    assert width == 5 or rows[:, 5].tolist() == list(range(200))


def test_classification_is_a_label(tmp_path: Path) -> None:
    write_las(tmp_path / 'a.las', 1)
    steps = [dict(type='LoadPointCloud', label_column=3)]
    data = PointFolder(str(tmp_path), pipeline=steps, up_axis='z')
    masks = data[0]['pts_semantic_mask']
    np.testing.assert_array_equal(masks, np.arange(200) % 7)


def test_scans_of_an_e57_file_are_joined(tmp_path: Path) -> None:
    pye57 = pytest.importorskip('pye57')
    with pye57.E57(str(tmp_path / 'a.e57'), mode='w') as file:
        for part in (POINTS[:80], POINTS[80:]):
            columns = zip('XYZ', part.T, strict=True)
            file.write_scan_raw(
                {f'cartesian{axis}': column.copy() for axis, column in columns}
            )
    rows, *_ = read_cloud(str(tmp_path / 'a.e57'))
    np.testing.assert_allclose(rows[:, :3], POINTS, atol=1e-4)


@pytest.mark.parametrize('suffix', ['las', 'laz', 'e57'])
def test_damaged_files_are_named(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f'a.{suffix}'
    path.write_bytes(b'LASF' + bytes(400))
    with pytest.raises(BadSampleError, match=path.name):
        read_cloud(str(path))


@pytest.mark.parametrize('at', [100, 243])
def test_more_records_than_bytes(at: int, tmp_path: Path) -> None:
    """laspy would read the missing ones for hours."""
    write_las(tmp_path / 'a.las', 7)
    content = bytearray((tmp_path / 'a.las').read_bytes())
    content[at : at + 4] = b'\xff\xff\xff\x7f'
    (tmp_path / 'a.las').write_bytes(content)
    with pytest.raises(BadSampleError, match=r'a\.las: .*records'):
        read_cloud(str(tmp_path / 'a.las'))
