"""Scans of one's own as scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mmdet3d_act.apis.scene_files import SceneFiles
from mmdet3d_act.datasets import BadSampleError
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
    scenes = SceneFiles(files, PIPELINE)
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
    data = SceneFiles([path], PIPELINE)[0]
    origin = data['data_samples'].metainfo['origin']
    np.testing.assert_allclose(origin, [13, -1, 2], atol=1e-5)
    points = data['inputs']['points'].numpy()
    np.testing.assert_allclose(points + origin, rows[:, :3], atol=1e-5)
    data = SceneFiles([path], PIPELINE, place=False)[0]
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
    scenes = SceneFiles([path, other, path], steps)
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
    points = SceneFiles([path], PIPELINE, num_columns=4, place=False)[0]
    np.testing.assert_array_equal(points['inputs']['points'], rows[:, :3])
    with pytest.raises(BadSampleError, match=r'rows of 6 .*, or say how many'):
        SceneFiles([path], PIPELINE)[0]


@pytest.mark.parametrize(
    ('files', 'options', 'fault'),
    [
        ([], {}, 'at least one file'),
        (['absent.npy'], {}, 'absent.npy'),
        (['scan.las'], {}, r"'.bin'\), got scan.las"),
        (['here.npy'], dict(num_columns=2), 'num_columns must be >= 3'),
    ],
)
def test_what_cannot_be_read_is_refused(
    files: list, options: dict, fault: str, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path('here.npy').touch()
    with pytest.raises(ValueError, match=fault):
        SceneFiles(files, PIPELINE, **options)
