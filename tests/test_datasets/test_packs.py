from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets import (
    BadSampleError,
    PointCloudDataset,
    SampleIndex,
)
from mmdet3d_act.datasets.packs import read_index, write_pack
from mmdet3d_act.datasets.transforms import loading
from mmdet3d_act.registry import DATASETS
from tests.test_datasets.clouds import write_shapenet
from tests.test_tools.loading import load_tool

packing = load_tool('dataset_converters.packing')

TETRAHEDRON = 'OFF\n4 4 6\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n' + ''.join(
    f'3 {face}\n' for face in ('0 1 2', '0 1 3', '0 2 3', '1 2 3')
)
PIPELINE = [
    dict(type='LoadPointCloud'),
    dict(type='SamplePoints', num_points=3),
    dict(type='RandomPointScaleShift'),
]


def _write_folder(root: Path) -> dict:
    rows = np.random.default_rng(0).normal(size=(20, 5))
    for number, split in enumerate(('train', 'test')):
        folder = root / split / 'cup'
        folder.mkdir(parents=True)
        np.save(folder / 'a.npy', rows + number)
        np.savez(folder / 'b.npz', points=rows, normals=rows + 1)
        np.savetxt(folder / 'c.txt', rows)
        (folder / 'd.off').write_text(TETRAHEDRON)
    return dict(type='PointFolder', split='trainval', classes='folders')


def _write_shapenet(root: Path) -> dict:
    write_shapenet(root)
    return dict(type='ShapeNet55', split='trainval')


@pytest.fixture
def shapenet(tmp_path: Path) -> dict:
    cfg = _write_shapenet(tmp_path / 'data')
    return cfg | dict(data_root=str(tmp_path / 'data'), pipeline=PIPELINE)


@pytest.fixture
def folder(tmp_path: Path) -> dict:
    cfg = _write_folder(tmp_path / 'data')
    return cfg | dict(data_root=str(tmp_path / 'data'), pipeline=PIPELINE)


def _build(cfg: dict, **options: object) -> PointCloudDataset:
    return DATASETS.build(cfg | options)


def _pack(cfg: dict, out: str | None = None, **options: object) -> str | None:
    """Pack a data set; return the pack where it was made."""
    path, source = packing.plan_pack(cfg, out)
    return path if packing.pack_dataset(path, source, **options) else None


def _samples(dataset: PointCloudDataset, epoch: int = 3) -> list[dict]:
    """All of each sample but the points' type."""
    samples = [dataset[SampleIndex(i, epoch, 1)] for i in range(len(dataset))]
    return [s | dict(points=s['points'].tensor.tolist()) for s in samples]


def _held(dataset: PointCloudDataset) -> list[bool]:
    infos = map(dataset.get_data_info, range(len(dataset)))
    return ['raw_points' in info for info in infos]


def test_format(tmp_path: Path) -> None:
    path = tmp_path / 'new' / 'small.pack'
    stamps = {name: (n, -n) for n, name in enumerate('abc')}
    clouds = [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        None,
        -np.ones((4, 5), np.float64),
    ]
    write_pack(str(path), dict(made='here'), stamps, clouds)
    pack = read_index(str(path))
    assert pack['read_options'] == dict(made='here')
    assert pack['clouds'] == dict(
        a=[0, 0, 0, 2, 3], b=[1, -1, 6, 0, 3], c=[2, -2, 6, 4, 5]
    )
    numbers = np.load(path / 'points.npy')
    assert numbers.dtype == np.float32
    assert numbers.tolist() == [0, 1, 2, 3, 4, 5, *[-1] * 20]


def test_nothing_appears_before_it_is_complete(tmp_path: Path) -> None:
    def stop() -> Iterator[np.ndarray]:
        yield np.ones((2, 3))
        raise KeyboardInterrupt

    path = tmp_path / 'one.pack'
    path.write_text('of an earlier version')
    with pytest.raises(KeyboardInterrupt):
        write_pack(str(path), {}, dict(a=(0, 0), b=(0, 0)), stop())
    assert path.is_file()
    write_pack(str(path), {}, dict(a=(0, 0)), [np.ones((1, 4))])
    assert list(read_index(str(path))['clouds']) == ['a']
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        ('points.npy', b'no array'),
        ('points.npy', None),
        ('index.json', b'{"version": 2}'),
        ('index.json', b''),
    ],
)
def test_damaged_packs_are_refused(
    shapenet: dict, name: str, content: bytes | None
) -> None:
    path = Path(_pack(shapenet))
    (path / name).unlink()
    if content is not None:
        (path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r'_trainval\.pack is damaged'):
        _build(shapenet)
    assert _pack(shapenet) == str(path)
    assert all(_held(_build(shapenet)))


@pytest.mark.parametrize('place', [(-3, 1, 3), (0, 2, 3), (9, 1, 3), ('', 0)])
def test_clouds_outside_of_a_pack_are_refused(
    tmp_path: Path, place: tuple
) -> None:
    path = tmp_path / 'one.pack'
    write_pack(str(path), {}, dict(a=(0, 0)), [np.ones((1, 3))])
    index = json.loads((path / 'index.json').read_text())
    index['clouds']['a'][2:] = place
    (path / 'index.json').write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r'one\.pack is damaged'):
        read_index(str(path))


@pytest.mark.parametrize('kind', ['shapenet', 'folder'])
def test_same_samples_without_reading_a_file(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    cfg = request.getfixturevalue(kind)
    plain = _build(cfg, packed=None)
    expected = _samples(plain)
    assert _pack(cfg)
    assert not _pack(cfg)
    monkeypatch.setattr(loading, 'read_cloud', None)
    packed = _build(cfg)
    assert _samples(packed) == expected
    assert _samples(packed, epoch=4) != expected
    assert packed.metainfo == plain.metainfo
    assert _held(packed.get_subset([1, 2])) == [True, True]
    # Neither copies nor processes take the clouds along.
    assert len(pickle.dumps(packed)) < 10**5
    assert not packed.get_data_info(0)['raw_points'].flags.writeable


def test_changed_and_new_clouds_are_read_from_their_files(
    shapenet: dict, logged: pytest.LogCaptureFixture
) -> None:
    _pack(shapenet)
    root = Path(shapenet['data_root'])
    changed = Path(_build(shapenet).get_data_info(0)['lidar_path'])
    np.save(changed, np.load(changed) + 1)
    os.utime(changed, ns=(0, 0))
    np.save(changed.with_name('new.npy'), np.zeros((8, 3), np.float32))
    with open(root / 'ShapeNet-55' / 'test.txt', 'a') as file:
        file.write('new.npy\n')
    expected = _samples(_build(shapenet, packed=None))
    dataset = _build(shapenet)
    assert _samples(dataset) == expected
    assert _held(dataset) == [False] + [True] * 10 + [False]
    assert changed.name in logged.text
    assert _pack(shapenet)
    assert all(_held(_build(shapenet)))


def test_other_way_of_reading_does_not_use_the_pack(
    folder: dict, logged: pytest.LogCaptureFixture
) -> None:
    _pack(folder)
    load = [dict(type='LoadPointCloud', npz_key='normals')]
    assert not any(_held(_build(folder, pipeline=load)))
    assert 'other options of LoadPointCloud' in logged.text
    # A pipeline that reads no cloud gets none.
    assert not any(_held(_build(folder, pipeline=[])))


@pytest.mark.parametrize('absent', [False, True])
def test_unusable_clouds_are_skipped_as_before(
    shapenet: dict, absent: bool
) -> None:
    skip = shapenet | dict(on_error='skip')
    path = Path(_build(shapenet).get_data_info(0)['lidar_path'])
    path.unlink() if absent else path.write_bytes(b'no array')
    with pytest.raises(FileNotFoundError if absent else BadSampleError):
        _pack(shapenet)
    assert not list(Path(shapenet['data_root']).glob('*.pack'))
    expected = _samples(_build(skip))
    assert expected[0]['sample_idx'] != 0
    assert _pack(shapenet, on_error='skip')
    dataset = _build(skip)
    assert _held(dataset) == [False] + [True] * 10
    assert _samples(dataset) == expected


def test_geo_referenced_clouds_stay_with_their_files(tmp_path: Path) -> None:
    np.savetxt(tmp_path / 'a.txt', np.eye(4, 3) + 5_000_000.25, fmt='%.4f')
    np.savetxt(tmp_path / 'b.txt', np.eye(4, 3))
    cfg = dict(type='PointFolder', data_root=str(tmp_path), pipeline=PIPELINE)
    assert _pack(cfg)
    assert _held(_build(cfg)) == [False, True]
    assert _build(cfg)[0]['offset'].any()
