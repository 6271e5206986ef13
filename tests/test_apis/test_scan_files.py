"""Scans of one's own, read and written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mmdet3d_act.apis.scan_files import ScanFiles, file_rows, write_scan
from mmdet3d_act.datasets import BadSampleError
from mmdet3d_act.datasets.readers.ply import read_ply
from mmdet3d_act.visualization import write_ply

pytest.importorskip('mmdet3d')

PIPELINE = (
    dict(type='LoadPointCloud'),
    dict(type='GlobalAlignment', rotation_axis=2),
    dict(type='PackPointInputs'),
)
LOW, SIZE = np.array([10.0, -3, 2]), np.array([6.0, 4, 3])


@pytest.fixture
def rows() -> np.ndarray:
    """A box of points with colours, its floor 2 m above 0."""
    rng = np.random.default_rng(0)
    coords = LOW + rng.uniform(0, 1, (2000, 3)) * SIZE
    coords[:600, 2] = LOW[2]
    coords[:2] = LOW, LOW + SIZE
    return np.hstack([coords, rng.uniform(0, 255, (2000, 3))]).astype('f4')


def test_formats_give_the_same_scene(rows: np.ndarray, tmp_path: Path) -> None:
    files = [tmp_path / f'scan.{one}' for one in ('npy', 'bin', 'ply')]
    np.save(files[0], rows)
    rows.tofile(files[1])
    write_ply(rows, files[2])
    scenes = ScanFiles(files, PIPELINE)
    assert len(scenes) == 3
    for index in range(3):
        data = scenes[index]
        points = data['inputs']['points']
        assert points.shape == (2000, 3)
        torch.testing.assert_close(points, scenes[0]['inputs']['points'])
        sample = data['data_samples']
        assert sample.metainfo['lidar_path'] == str(files[index])
        assert sample.metainfo['sample_idx'] == index


def test_scenes_are_moved_to_the_middle_of_their_floor(
    rows: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / 'scan.npy'
    # A stray point below the floor.
    rows[5, 2] = -7
    np.save(path, rows)
    data = ScanFiles([path], PIPELINE)[0]
    origin = data['data_samples'].metainfo['origin']
    np.testing.assert_allclose(origin, [13, -1, 2], atol=1e-5)
    points = data['inputs']['points'].numpy()
    np.testing.assert_allclose(points + origin, rows[:, :3], atol=1e-5)
    data = ScanFiles([path], PIPELINE, place=False)[0]
    assert data['data_samples'].metainfo['origin'].tolist() == [0, 0, 0]
    np.testing.assert_array_equal(data['inputs']['points'], rows[:, :3])


def test_draws_are_the_same_again(rows: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / 'scan.npy'
    np.save(path, rows)
    steps = [
        PIPELINE[0],
        dict(type='SamplePoints', num_points=100),
        PIPELINE[-1],
    ]
    other = tmp_path / 'other.npy'
    np.save(other, rows[::-1])
    scenes = ScanFiles([path, other, path], steps)
    first, again, between, third = (
        scenes[i]['inputs']['points'] for i in (0, 0, 1, 2)
    )
    assert torch.equal(first, again)
    # The same scan is the same scene, whatever stands before it.
    assert torch.equal(first, third)
    assert not torch.equal(first, between)


def test_rows_of_another_width(rows: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / 'scan.bin'
    rows[:, :4].tofile(path)
    points = ScanFiles([path], PIPELINE, num_columns=4, place=False)[0]
    np.testing.assert_array_equal(points['inputs']['points'], rows[:, :3])
    with pytest.raises(BadSampleError, match=r'rows of 6 .*, or say how many'):
        ScanFiles([path], PIPELINE)[0]


def test_scans_are_turned_scaled_and_brought_back(
    rows: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / 'scan.npy'
    np.save(path, rows[:, [1, 2, 0]] * 1000)  # y up, millimetres
    scans = ScanFiles([path], PIPELINE, up_axis='y', scale=0.001)
    plain = tmp_path / 'plain.npy'
    np.save(plain, rows[:, :3])
    expected = ScanFiles([plain], PIPELINE)[0]['inputs']['points']
    data = scans[0]
    points = data['inputs']['points']
    torch.testing.assert_close(points, expected, atol=1e-4, rtol=0)
    origin = data['data_samples'].metainfo['origin']
    back = scans.to_file(points.numpy(), origin, str(path))
    np.testing.assert_allclose(back, np.load(path), atol=0.5)


@pytest.mark.parametrize(('version', 'form'), [('1.2', 1), ('1.4', 6)])
def test_a_las_file_is_copied_with_labels_and_colours(
    version: str, form: int, tmp_path: Path
) -> None:
    laspy = pytest.importorskip('laspy')
    header = laspy.LasHeader(point_format=form, version=version)
    header.scales, header.offsets = [0.001] * 3, [448000, 5412000, 0]
    scan = laspy.LasData(header)
    scan.xyz = np.random.default_rng(0).random((50, 3)) + header.offsets
    scan.intensity = np.arange(50)
    scan.write(tmp_path / 'a.las')
    labels = np.arange(50) % 40
    colors = np.linspace(0, 1, 150).reshape(50, 3)
    path = write_scan(
        tmp_path / 'b', tmp_path / 'a.las', labels=labels, colors=colors
    )
    assert path == tmp_path / 'b.laz'
    with laspy.open(path) as file:
        found = file.read()
    np.testing.assert_array_equal(found.xyz, scan.xyz)
    np.testing.assert_array_equal(found.intensity, np.arange(50))
    np.testing.assert_array_equal(found.classification, labels)
    np.testing.assert_allclose(found.red, 65535 * colors[:, 0], atol=1)


def test_other_files_become_ply_with_all_their_digits(tmp_path: Path) -> None:
    points = np.random.default_rng(0).random((9, 3)) + 448000
    np.save(tmp_path / 'a.npy', points)
    labels = np.arange(9)
    path = write_scan(tmp_path / 'b', tmp_path / 'a.npy', labels=labels)
    np.testing.assert_allclose(file_rows(path), points, atol=1e-6, rtol=0)
    np.testing.assert_array_equal(read_ply(str(path)).points[:, 3], labels)


@pytest.mark.parametrize(
    ('files', 'options', 'fault'),
    [
        (['scan.doc'], {}, r"'.bin'\), got scan.doc"),
        (['here.npy'], dict(up_axis='w'), 'w'),
    ],
)
def test_what_cannot_be_read_is_refused(
    files: list, options: dict, fault: str, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save('here.npy', np.random.rand(9, 3))
    with pytest.raises((ValueError, KeyError), match=fault):
        ScanFiles(files, PIPELINE, **options)[0]
