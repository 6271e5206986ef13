from __future__ import annotations

import json
import logging
import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import ConcatDataset
from mmengine.logging import MMLogger
from torch.utils.data import DataLoader

from mmdet3d_act.datasets import BadSampleError, EpochSampler, PointFolder
from mmdet3d_act.datasets.packs import Pack, PackError, write_pack
from mmdet3d_act.datasets.transforms import loading
from tests.test_datasets.packs import (
    WRITERS,
    build,
    equal,
    pack,
    samples_of,
    write_case,
)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A pack of two clouds, of 3 and 5 columns, and an unusable sample."""
    path = tmp_path / 'small.pack'
    samples = [dict(info=dict(gt_label=n), stamp=[n, n]) for n in range(3)]
    clouds = [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        'it is empty',
        -np.ones((4, 5), np.float64),
    ]
    write_pack(str(path), dict(made='here'), samples, clouds)
    return path


def test_a_pack_gives_back_what_was_written(small: Path) -> None:
    one = Pack(str(small))
    assert one.header == dict(made='here')
    assert [s['info']['gt_label'] for s in one.samples] == [0, 1, 2]
    assert one.samples[1]['fault'] == 'it is empty'
    np.testing.assert_array_equal(one.read(0), [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(one.read(2), -np.ones((4, 5)))
    assert one.read(2).dtype == np.float32
    assert not one.read(0).flags.writeable
    again = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(again.read(0), one.read(0))
    # The file is one that NumPy reads.
    assert np.load(small / 'points.npy').shape == (26,)
    assert sorted(p.name for p in small.parent.iterdir()) == ['small.pack']


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        (dict(offset=21), 'names 2 x 3 numbers from 21 on, .* has 26'),
        (dict(offset=-1), 'from -1 on'),
        (dict(shape=[2**40, 2**40]), '1099511627776 x'),
        (dict(shape=[-2, -3]), '-2 x -3'),
        (dict(shape=[2]), 'damaged'),
        (dict(offset='x'), 'damaged'),
    ],
)
def test_an_index_that_does_not_fit_is_refused(
    small: Path, change: dict, text: str
) -> None:
    index = json.loads((small / 'index.json').read_text())
    index['samples'][0].update(change)
    (small / 'index.json').write_text(json.dumps(index))
    with pytest.raises(PackError, match=text):
        Pack(str(small))


def test_other_packs_are_refused(small: Path, tmp_path: Path) -> None:
    old = tmp_path / 'old.pack'
    old.write_bytes(b'\x93ACTPACK')
    with pytest.raises(PackError, match=r'old\.pack.*earlier.*pack again'):
        Pack(str(old))
    np.save(small / 'points.npy', np.zeros((2, 13), np.float32))
    with pytest.raises(PackError, match=r'float32 \(2, 13\)'):
        Pack(str(small))
    (small / 'points.npy').write_bytes(b'no array')
    with pytest.raises(PackError, match='damaged'):
        Pack(str(small))
    (small / 'points.npy').unlink()
    with pytest.raises(PackError, match=r'points\.npy'):
        Pack(str(small))
    cfg = dict(type='PointFolder', data_root=str(tmp_path))
    shutil.move(old, tmp_path / 'PointFolder_all.pack')
    (text,) = PointFolder.check_requirements(cfg)
    assert 'PointFolder_all.pack' in text


def test_nothing_appears_before_it_is_complete(small: Path) -> None:
    def stop() -> Iterator[np.ndarray]:
        yield np.ones((2, 3))
        raise KeyboardInterrupt

    before = Pack(str(small))
    with pytest.raises(KeyboardInterrupt):
        write_pack(str(small), {}, before.samples, stop())
    np.testing.assert_array_equal(Pack(str(small)).read(0), before.read(0))
    write_pack(str(small), {}, [dict(info={}, stamp=None)], [np.ones((1, 4))])
    assert len(Pack(str(small)).samples) == 1
    with pytest.raises(PackError, match='replaced'):
        pickle.loads(pickle.dumps(before))
    assert len(list(small.parent.iterdir())) == 1


@pytest.fixture(params=sorted(WRITERS))
def case(request: pytest.FixtureRequest, tmp_path: Path) -> dict:
    """The config of a data set of each kind."""
    return write_case(request.param, tmp_path / 'data')


@pytest.fixture
def shapenet(tmp_path: Path) -> dict:
    return write_case('shapenet', tmp_path / 'data')


def _forbid_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every reading of a cloud's file fail."""

    def fail(path: str, *_: object, **__: object) -> None:
        raise AssertionError(f'{path} was read')

    monkeypatch.setattr(loading, 'read_cloud', fail)
    monkeypatch.setattr('mmdet3d_act.datasets.modelnet40.read_dat', fail)


@pytest.fixture
def warned() -> Iterator[list[str]]:
    """Warnings, as they come."""
    texts: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno == logging.WARNING:
                texts.append(record.getMessage())

    handler = Keep()
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield texts
    logger.removeHandler(handler)


def _remove_originals(cfg: dict) -> None:
    for path in Path(cfg['data_root']).iterdir():
        if path.suffix != '.pack':
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_same_samples_without_reading_a_file(
    case: dict, monkeypatch: pytest.MonkeyPatch, warned: list
) -> None:
    plain = build(case, packed=None)
    expected = samples_of(plain)
    assert pack(case)
    assert not pack(case)
    _forbid_reading(monkeypatch)
    assert equal(samples_of(build(case)), expected)
    assert not equal(samples_of(build(case), epoch=4), expected)
    again = build(case, serialize_data=True)
    assert equal(samples_of(again), expected)
    assert again.metainfo == plain.metainfo
    _remove_originals(case)
    assert type(again).check_requirements(case) == []
    alone = build(case)
    assert equal(samples_of(alone), expected)
    assert alone.metainfo == plain.metainfo
    assert [w for w in warned if 'pack' in w] == []


def test_guesses_are_packed(tmp_path: Path) -> None:
    guess = dict(up_axis='auto', normalization='auto')
    case = write_case('folder', tmp_path / 'data') | guess
    plain = build(case, packed=None)
    assert {'up_axis', 'normalization'} <= set(plain.guesses)
    pack(case)
    _remove_originals(case)
    assert build(case).metainfo == plain.metainfo


def _first_points(batch: list[dict]) -> list:
    return [(s['sample_idx'], s['points'].tensor.tolist()) for s in batch]


@pytest.mark.parametrize(
    ('num_workers', 'context'),
    [(2, 'fork'), pytest.param(2, 'spawn', marks=pytest.mark.slow)],
)
def test_workers_read_the_same(
    shapenet: dict, num_workers: int, context: str
) -> None:
    def epoch(**kwargs: object) -> list:
        dataset = build(shapenet, serialize_data=True)
        loader = DataLoader(
            dataset,
            batch_size=3,
            sampler=EpochSampler(dataset, seed=2),
            collate_fn=_first_points,
            **kwargs,
        )
        return [sample for batch in loader for sample in batch]

    expected = epoch()
    pack(shapenet)
    _remove_originals(shapenet)
    found = epoch(num_workers=num_workers, multiprocessing_context=context)
    assert found == expected
    assert len(expected) == 11


def test_subsets_share_the_pack(shapenet: dict) -> None:
    pack(shapenet)
    dataset = build(shapenet)
    expected = samples_of(dataset)
    subset = dataset.get_subset([4, 9])
    assert subset._packs[0] is dataset._packs[0]
    found = [subset.get_data_info(index) for index in range(2)]
    for one, index in zip(found, (4, 9), strict=True):
        assert one['lidar_path'] == expected[index]['lidar_path']
        assert one['raw_points'].shape == (32, 3)


def test_parts_can_be_packed_one_by_one(shapenet: dict, warned: list) -> None:
    expected = samples_of(build(shapenet, packed=None))
    pack(shapenet | dict(split='test'))
    half = build(shapenet)
    assert equal(samples_of(half), expected)
    held = ['raw_points' in half.get_data_info(i) for i in range(11)]
    assert held == [False] * 8 + [True] * 3
    assert warned == []
    pack(shapenet | dict(split='train'))
    _remove_originals(shapenet)
    both = [build(shapenet, split=split) for split in ('train', 'test')]
    assert [len(part) for part in both] == [8, 3]
    assert len(ConcatDataset(both)) == len(build(shapenet)) == 11


def test_missing_part_is_a_missing_data_set(shapenet: dict) -> None:
    pack(shapenet | dict(split='test'))
    _remove_originals(shapenet)
    with pytest.raises(FileNotFoundError, match='needs its points at'):
        build(shapenet)


def test_packs_elsewhere(shapenet: dict, tmp_path: Path) -> None:
    expected = samples_of(build(shapenet))
    pack(shapenet, out=str(tmp_path / 'packs'))
    assert not list(Path(shapenet['data_root']).glob('*.pack'))
    there = shapenet | dict(packed=str(tmp_path / 'packs'))
    _remove_originals(shapenet)
    assert equal(samples_of(build(there)), expected)
    there['packed'] = str(tmp_path)
    (text,) = type(build(there, lazy_init=True)).check_requirements(there)
    assert '_train.pack is not there' in text


def test_moved_data_set(shapenet: dict, tmp_path: Path) -> None:
    expected = samples_of(build(shapenet))
    pack(shapenet)
    _remove_originals(shapenet)
    Path(shapenet['data_root']).rename(tmp_path / 'moved')
    found = samples_of(build(shapenet, data_root=str(tmp_path / 'moved')))
    for one, other in zip(found, expected, strict=True):
        assert one['points'].equal(other['points'])
        assert one['lidar_path'].startswith(str(tmp_path / 'moved'))


def _first_cloud(cfg: dict) -> Path:
    return Path(build(cfg, packed=None).get_data_info(0)['lidar_path'])


def test_changed_and_new_clouds_are_read_from_their_files(
    shapenet: dict, warned: list
) -> None:
    pack(shapenet)
    root = Path(shapenet['data_root'])
    changed = _first_cloud(shapenet)
    np.save(changed, np.load(changed) + 1)
    os.utime(changed, ns=(0, 0))
    np.save(root / 'shapenet_pc' / 'new.npy', np.zeros((8, 3), np.float32))
    with open(root / 'ShapeNet-55' / 'test.txt', 'a') as file:
        file.write('new.npy\n')
    expected = samples_of(build(shapenet, packed=None))
    assert warned == []
    dataset = build(shapenet)
    assert equal(samples_of(dataset), expected)
    held = ['raw_points' in dataset.get_data_info(i) for i in range(12)]
    assert held == [False] + [True] * 10 + [False]
    assert '2 of 12 clouds are new or have changed' in warned[0]
    assert str(changed) in warned[0]
    pack(shapenet)
    assert equal(samples_of(build(shapenet)), expected)
    assert len(warned) == 1


def test_changed_archive_is_read_again(tmp_path: Path, warned: list) -> None:
    case = write_case('modelnet_dat', tmp_path / 'data')
    pack(case)
    (path,) = (tmp_path / 'data').glob('*.dat')
    clouds, labels = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps([[c + 1 for c in clouds], labels]))
    expected = samples_of(build(case, packed=None))
    assert equal(samples_of(build(case)), expected)
    assert '5 of 5 clouds are new or have changed' in warned[0]


def test_what_a_pack_alone_cannot_give_is_refused(
    shapenet: dict, tmp_path: Path
) -> None:
    pack(shapenet)
    root = Path(shapenet['data_root'])
    shutil.rmtree(root / 'shapenet_pc')
    assert len(build(shapenet)) == 11
    (root / 'ShapeNet-55' / 'train.txt').write_text('x.npy\n')
    with pytest.raises(PackError, match=r'train\.txt has changed since'):
        build(shapenet)
    case = write_case('folder', tmp_path / 'other')
    pack(case)
    names = ['jar', 'cup', 'bowl']
    labels = [s['gt_label'] for s in samples_of(build(case, classes=names))]
    assert labels == [2, 1, 1, 0] * 2
    _remove_originals(case)
    with pytest.raises(PackError, match=r"'folders'.*asked for is .*'jar'"):
        build(case, classes=names)


def test_other_way_of_reading_does_not_use_the_pack(
    tmp_path: Path, warned: list
) -> None:
    case = write_case('folder', tmp_path / 'data')
    pack(case)
    load = [dict(type='LoadPointCloud', npz_key='normals')]
    expected = samples_of(build(case, packed=None, pipeline=load))
    assert equal(samples_of(build(case, pipeline=load)), expected)
    assert len([text for text in warned if 'is not used' in text]) == 2


@pytest.mark.parametrize('absent', [False, True])
def test_unusable_clouds_are_skipped_as_before(
    shapenet: dict, absent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip = shapenet | dict(on_error='skip')
    path = _first_cloud(shapenet)
    path.unlink() if absent else path.write_bytes(b'no array')
    with pytest.raises(FileNotFoundError if absent else BadSampleError):
        pack(shapenet)
    assert not list(Path(shapenet['data_root']).glob('*.pack'))
    expected = samples_of(build(skip, packed=None))
    assert expected[0]['sample_idx'] != 0
    first, _ = pack(shapenet, on_error='skip')
    assert ['fault' in s for s in Pack(first).samples] == [True] + [False] * 7
    _forbid_reading(monkeypatch)
    assert equal(samples_of(build(skip)), expected)
    _remove_originals(shapenet)
    assert equal(samples_of(build(skip)), expected)
    with pytest.raises(BadSampleError, match=path.name):
        build(shapenet)[0]
