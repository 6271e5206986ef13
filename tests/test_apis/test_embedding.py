"""Features of clouds, of patches and of points."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmdet3d_act.apis import Embedder, save_pretrained
from mmdet3d_act.apis.embedding import (
    OVERLAP,
    _merged,
    cut_tiles,
    in_batches,
    interpolate,
    principal_colors,
    tile_side,
)
from mmdet3d_act.datasets import BadSampleError
from mmdet3d_act.engine.failures import UsageError
from mmdet3d_act.models.backbones import PointTransformer
from mmdet3d_act.ops import farthest_point_sample
from tests.mini_scannet import write_scan
from tests.test_apis.test_students import SIZES, make_student

NUM_POINTS = 64


@pytest.fixture
def student(tmp_path) -> str:
    folder = tmp_path / 'student'
    return str(save_pretrained(make_student(), folder, num_points=NUM_POINTS))


def cloud(number: int = 300, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(number, 3))


def test_features_are_those_of_the_sampled_cloud_in_the_unit_sphere(student):
    embed = Embedder(student)
    points = cloud()
    (found,) = embed(points)['predictions']
    placed = points - points.mean(axis=0)
    placed /= np.linalg.norm(placed, axis=1).max()
    inputs = torch.from_numpy(placed.astype('f4'))[None]
    inputs = inputs[:, farthest_point_sample(inputs, NUM_POINTS)[0]]
    with torch.no_grad():
        patches = embed.student.group(inputs)
        encoded = embed.student.encode(patches)
    pooled = encoded.pooled()
    vector = torch.cat([pooled[k][0] for k in ('cls', 'max', 'mean')])
    np.testing.assert_allclose(found['embedding'], vector, atol=1e-5)
    np.testing.assert_allclose(
        found['patches'], encoded.features[0], atol=1e-5
    )
    # The centres are points of the cloud, where they are in it.
    away = np.linalg.norm(found['centers'][:, None] - points, axis=-1)
    assert away.min(axis=1).max() < 1e-5


def test_files_arrays_batches_and_folders_give_the_same(student, tmp_path):
    clouds = np.stack([cloud(seed=i) for i in range(3)])
    folder = tmp_path / 'clouds'
    (folder / 'sub').mkdir(parents=True)
    for name, points in zip(('a', 'b', 'sub/c'), clouds, strict=True):
        np.save(folder / f'{name}.npy', points.astype('f4'))
    embed = Embedder(student, up_axis='y')
    arrays = embed(clouds)['predictions']
    files = embed(folder, batch_size=2)['predictions']
    alone = embed([folder / 'a.npy', clouds[1], clouds[2]], batch_size=1)
    for one, two, three in zip(
        arrays, files, alone['predictions'], strict=True
    ):
        np.testing.assert_allclose(
            one['embedding'], two['embedding'], atol=1e-4
        )
        np.testing.assert_allclose(one['patches'], three['patches'], atol=1e-4)
    assert files[2]['path'] == str(folder / 'sub' / 'c.npy')


def test_scans_are_turned_and_may_lie_anywhere(student, tmp_path):
    points = cloud()
    expected = Embedder(student)(points)['predictions'][0]
    # z up; the student's data have y up.
    scan = points[:, [2, 0, 1]] * 2 + [448000, 5412000, 100]
    np.save(tmp_path / 'scan.npy', scan)
    embed = Embedder(student, up_axis='z')
    found = embed(tmp_path / 'scan.npy', points=True)['predictions'][0]
    np.testing.assert_allclose(
        found['embedding'], expected['embedding'], atol=1e-3
    )
    away = np.linalg.norm(found['centers'][:, None] - scan, axis=-1)
    assert away.min(axis=1).max() < 1e-3
    assert found['points'].shape == (300, 32)
    # A point at a centre has the features of its patch.
    nearest = away.argmin(axis=1)
    np.testing.assert_allclose(
        found['points'][nearest], found['patches'], atol=0.02
    )


def test_arrays_are_as_the_students_data_whatever_files_are_beside_them(
    student, tmp_path
):
    np.save(tmp_path / 'a.npy', cloud(seed=1))
    embed = Embedder(student)
    embed.find_axis = lambda files: 'z' if files else 'y'
    points = cloud()
    alone = embed(points)['predictions'][0]
    _, beside = embed([tmp_path / 'a.npy', points])['predictions']
    np.testing.assert_allclose(
        beside['embedding'], alone['embedding'], atol=1e-5
    )
    turned = Embedder(student, up_axis='z')(points)['predictions'][0]
    assert np.abs(turned['embedding'] - alone['embedding']).max() > 1e-3


def test_a_student_sees_colours_where_files_have_them(tmp_path):
    torch.manual_seed(0)
    student = PointTransformer(**SIZES, in_channels=6)
    facts = dict(num_points=NUM_POINTS, features=['color'])
    embed = Embedder(str(save_pretrained(student, tmp_path / 'a', **facts)))
    points, rgb = cloud(), np.random.default_rng(1).integers(1, 256, (300, 3))
    rgb[0] = 255
    write_scan(tmp_path / 'plain.ply', points)
    write_scan(tmp_path / 'red.ply', np.hstack([points, rgb]))
    embed.up_axis = 'y'
    plain, red = embed([tmp_path / 'plain.ply', tmp_path / 'red.ply'])[
        'predictions'
    ]
    (array,) = embed(points)['predictions']
    np.testing.assert_allclose(plain['patches'], array['patches'], atol=1e-4)
    np.testing.assert_allclose(plain['centers'], red['centers'])
    placed = points - points.mean(axis=0)
    placed /= np.linalg.norm(placed, axis=1).max()
    inputs = torch.from_numpy(np.hstack([placed, rgb / 127.5 - 1])).float()
    chosen = farthest_point_sample(inputs[None, :, :3], NUM_POINTS)[0]
    with torch.no_grad():
        patches = embed.student.group(inputs[None, chosen])
        wanted = embed.student.encode(patches).features[0]
    np.testing.assert_allclose(red['patches'], wanted, atol=1e-4)
    assert abs(red['patches'] - plain['patches']).max() > 0.01
    (array,) = embed(np.hstack([points, rgb]))['predictions']
    np.testing.assert_allclose(array['patches'], wanted, atol=1e-4)


def test_the_fingerprint_tells_students_apart():
    def fingerprint(meta: dict, **settings: object) -> str:
        student = make_student()
        student.pretrained_meta = meta
        for name, value in settings.items():
            assert hasattr(student, name)
            setattr(student, name, value)
        return Embedder(student).fingerprint

    y, z = (dict(up_axis=axis, num_points=NUM_POINTS) for axis in 'yz')
    assert fingerprint(y) == fingerprint(dict(reversed(y.items())))
    others = [
        fingerprint(y),
        fingerprint(z),
        fingerprint(y, group_size=3),
        fingerprint(y, num_groups=7),
        fingerprint(y, num_heads=2),
    ]
    assert len(set(others)) == 5


def test_tiles_overlap_and_leave_no_point_out():
    ground = np.random.default_rng(0).uniform(0, 10, (2000, 2)) * [1, 3]
    seen = np.zeros(len(ground), int)
    for total, rows in cut_tiles(ground, 2.5):
        assert total == 4 * 12
        assert len(np.unique(rows)) == len(rows)
        # Neighbours give their margins, no more.
        assert np.ptp(ground[rows], axis=0).max() <= 2.5 * (1 + 2 * OVERLAP)
        seen[rows] += 1
    assert seen.min() >= 1
    assert seen.mean() > 1.5


def test_tiles_have_about_as_many_points_whatever_the_outline():
    ground = np.random.default_rng(0).uniform(0, 10, (200_000, 2)) * [1, 3]
    corner = ground[(ground[:, 0] < 3) | (ground[:, 1] < 6)]
    for some, area in ((ground, 300), (corner, 90 + 42)):
        points = len(some) * tile_side(some) ** 2 / area
        assert points == pytest.approx(20_000, rel=0.2)


def test_a_large_cloud_has_a_value_for_each_point(student):
    rng = np.random.default_rng(0)
    # Two halves of different shape.
    scan = rng.uniform(0, 1, (4000, 3)) * [20, 1, 10]
    scan[scan[:, 0] > 10, 1] *= 8
    embed = Embedder(student, tile=2.0)
    found = embed(scan, points=True)['predictions'][0]
    assert found['points'].shape == (4000, 32)
    assert len(found['centers']) == 10 * 5 * 8
    assert np.isfinite(found['points']).all()
    whole = Embedder(student, tile=0)(scan)['predictions'][0]
    assert len(whole['centers']) == 8
    # A scan in millimetres.
    small = Embedder(student, tile=2.0, scale=0.001)
    again = small(scan * 1000)['predictions'][0]
    np.testing.assert_allclose(again['patches'], found['patches'], atol=1e-3)
    np.testing.assert_allclose(again['centers'], 1000 * found['centers'])


def test_tiles_count_by_their_points():
    pooled = [
        dict(cls=np.zeros(2, 'f4'), max=np.zeros(2, 'f4')),
        dict(cls=np.ones(2, 'f4'), max=np.ones(2, 'f4')),
    ]
    found = _merged(pooled, [300, 100])
    assert found.tolist() == [0.25, 0.25, 1, 1]
    assert found.dtype == np.float32


def test_interpolation_is_a_mean_of_three():
    centers = np.array([[0, 0, 0], [2, 0, 0], [0, 4, 0], [9, 9, 9.0]])
    values = np.array([[1.0], [3.0], [5.0], [100.0]], np.float32)
    found = interpolate(np.array([[0, 0, 0], [1, 0, 0.0]]), centers, values)
    weights = np.array([1, 1, 1 / 17])
    expected = weights @ values[:3, 0] / weights.sum()
    np.testing.assert_allclose(found[:, 0], [1, expected], atol=2e-3)
    assert found.dtype == np.float16


def test_colors_follow_the_largest_differences():
    patches = np.zeros((50, 8), np.float32)
    patches[:, 3] = np.linspace(-9, 9, 50)
    patches[:, 5] = np.random.default_rng(0).normal(size=50) / 10
    colors = principal_colors(patches)
    assert colors.shape == (50, 3)
    assert colors.min() >= 0
    assert colors.max() <= 1
    assert abs(np.corrcoef(colors[:, 0], patches[:, 3])[0, 1]) > 0.99


def test_large_clouds_are_opened_alone(tmp_path):
    large = np.zeros((400_000, 3))
    small = np.zeros((5, 3))
    sizes = [
        len(b) for b in in_batches([small, small, small, large, small], 2)
    ]
    assert sizes == [2, 1, 1, 1]


@pytest.mark.parametrize(
    'options',
    [dict(scale=-1), dict(scale=0), dict(tile=-1), dict(up_axis='w')],
)
def test_a_cloud_is_neither_mirrored_nor_cut_to_nothing(options, student):
    with pytest.raises(ValueError, match=f'{next(iter(options))} must be'):
        Embedder(student, **options)


def test_a_bad_file_is_named_and_the_others_are_done(student, tmp_path):
    for name in 'ac':
        np.save(tmp_path / f'{name}.npy', cloud())
    (tmp_path / 'b.npy').write_text('nothing')
    embed = Embedder(student, up_axis='y')
    files = [tmp_path / f'{name}.npy' for name in 'abc']
    found = embed(files)
    paths = [one['path'] for one in found['predictions']]
    assert paths == [str(files[0]), str(files[2])]
    (fault,) = found['faults']
    assert str(files[1]) in fault
    with pytest.raises(BadSampleError, match=r'b\.npy'):
        embed(files, on_error='raise')


@pytest.mark.parametrize(
    ('cloud', 'error', 'offender'),
    [
        (np.zeros((5, 3)), BadSampleError, 'one place'),
        (np.zeros((5, 2)), BadSampleError, r'\(5, 2\)'),
        (np.full((5, 3), np.nan), BadSampleError, '5 of 5'),
        ('gone.ply', BadSampleError, 'gone.ply'),
        ('empty', UsageError, 'empty'),
    ],
)
def test_refusals(cloud, error, offender, student, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(error, match=offender):
        Embedder(student)(cloud, on_error='raise')
