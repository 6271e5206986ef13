"""What columns of files are called, and what becomes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets import BadSampleError
from mmdet3d_act.datasets.readers import read_cloud
from mmdet3d_act.datasets.readers.columns import (
    find_label_column,
    gather_features,
    turn_rows,
)
from mmdet3d_act.datasets.transforms import (
    LoadPointCloud,
    RandomFeatureDropout,
)
from tests.mini_scannet import write_scan

POINTS = np.random.default_rng(0).random((40, 3))


@pytest.mark.parametrize(
    ('names', 'wanted', 'column'),
    [
        ((), 'auto', 6),
        ((), 4, 4),
        (('red', 'label', 'class', 'a'), 'auto', 4),
        (('scalar_Classification', 'a', 'b', 'c'), 'auto', 3),
        (('a', 'b', 'Kind', 'label'), 'kind', 5),
        (('a', 'b', 'c', 'd'), '5', 5),
    ],
)
def test_the_column_of_labels(names: tuple, wanted: str, column: int) -> None:
    assert find_label_column(names, 7, wanted) == column


@pytest.mark.parametrize(
    ('names', 'width', 'wanted', 'offender'),
    [
        ((), 6, 'auto', '6 columns'),
        ((), 3, 'auto', 'x, y, z'),
        ((), 6, 6, 'column 6'),
        ((), 6, '2', 'column 2'),
        (('red', 'a'), 5, 'kind', 'kind'),
        (('red', 'label'), 4, 'auto', 'x, y, z, red'),
    ],
)
def test_a_column_that_may_be_no_label_is_refused(
    names: tuple, width: int, wanted: str, offender: str
) -> None:
    with pytest.raises(ValueError, match=offender):
        find_label_column(names, width, wanted)


def test_colours_of_any_range_are_alike() -> None:
    rgb = np.array([[0, 0.5, 1], [1, 0, 0]])
    for names, whole in (
        (('r', 'g', 'b'), 1),
        (('diffuse_red', 'diffuse_green', 'diffuse_blue'), 255),
        (('colorRed', 'colorGreen', 'colorBlue'), 65535),
    ):
        rows = np.hstack([POINTS[:2], rgb * whole])
        found = gather_features(rows, names, ['color'])
        np.testing.assert_allclose(found, 2 * rgb - 1, atol=1e-6)


def test_what_a_file_lacks_is_zero_and_normals_are_turned() -> None:
    rows = np.hstack([POINTS, np.tile([10, 1, 2, 2], (40, 1))])
    rows[0, 3] = 0
    names = ('intensity', 'normal_x', 'normal_y', 'normal_z')
    kinds = ('color', 'normals', 'intensity')
    found = gather_features(rows, names, kinds)
    np.testing.assert_allclose(found[1], [0, 0, 0, 1 / 3, 2 / 3, 2 / 3, 1])
    assert found[0, -1] == -1
    turn_rows(rows, names, [2, 0, 1])
    np.testing.assert_array_equal(rows[:, :3], POINTS[:, [2, 0, 1]])
    assert rows[0, 4:].tolist() == [2, 1, 2]


def test_features_are_read_by_name(tmp_path: Path) -> None:
    colors = np.random.default_rng(1).integers(0, 256, (40, 3))
    colors[0] = 255
    path, plain = str(tmp_path / 'a.ply'), str(tmp_path / 'b.npy')
    write_scan(Path(path), np.hstack([POINTS, colors]), height=POINTS[:, 2])
    np.save(plain, np.hstack([POINTS, colors]))
    assert read_cloud(path).names == ('red', 'green', 'blue', 'height')
    assert read_cloud(plain).names == ()
    load = LoadPointCloud(features=['color', 'normals'])
    wanted = np.hstack([POINTS, colors / 127.5 - 1, np.zeros((40, 3))])
    found = load(dict(lidar_path=path))['points'].tensor.numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert not load(dict(lidar_path=plain))['points'].tensor[:, 3:].any()
    told = LoadPointCloud(
        features=['color', 'normals'], columns=['red', 'green', 'blue']
    )
    found = told(dict(lidar_path=plain))['points'].tensor.numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    # A file with fewer columns than are named.
    np.save(plain, POINTS)
    assert not told(dict(lidar_path=plain))['points'].tensor[:, 3:].any()
    with pytest.raises(BadSampleError, match='x, y, z, red, green'):
        LoadPointCloud(label_column='auto')(dict(lidar_path=path))
    for options in (dict(features=['colour']), dict(use_dim=6)):
        with pytest.raises(ValueError, match='features'):
            LoadPointCloud(**dict(dict(features=['color']), **options))


def test_features_of_a_cloud_are_dropped_together() -> None:
    import torch

    np.random.seed(0)
    drop = RandomFeatureDropout(['color', 'intensity'], 0.5)
    points = torch.ones(5, 7)
    seen = {tuple(drop.augment(points)[0].tolist()) for _ in range(50)}
    parts = [(1.0, 1.0, 1.0), (0.0, 0.0, 0.0)]
    expected = {
        (1.0, 1.0, 1.0, *color, one) for color in parts for one in (0.0, 1.0)
    }
    assert seen == expected
    assert (drop.augment(points).std(0) == 0).all()
