from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets import BadSampleError, ShapeNet55
from mmdet3d_act.datasets.packing import (
    iter_dataset_cfgs,
    list_jobs,
    pack_samples,
    plan_pack,
)
from mmdet3d_act.datasets.point_pack import PointPack
from tests.test_datasets.packs import build, pack, samples_of, write_case


@pytest.fixture
def shapenet(tmp_path: Path) -> dict:
    return write_case('shapenet', tmp_path / 'data')


def test_wrappers_are_opened() -> None:
    one, two, three = (dict(type=f'Data{i}') for i in range(3))
    cfg = dict(
        type='ConcatDataset',
        datasets=[
            one,
            dict(type='RepeatDataset', times=2, dataset=two),
            dict(
                type='ClassBalancedDataset',
                dataset=dict(type='ConcatDataset', datasets=[three]),
            ),
        ],
    )
    assert list(iter_dataset_cfgs(cfg)) == [one, two, three]
    assert list(iter_dataset_cfgs(one)) == [one]


def test_jobs_are_the_parts(shapenet: dict) -> None:
    jobs = list_jobs(shapenet | dict(indices=2, test_mode=True))
    root = Path(shapenet['data_root'])
    assert [job.path for job in jobs] == [
        str(root / 'ShapeNet55_train.pack'),
        str(root / 'ShapeNet55_test.pack'),
    ]
    assert [job.cfg['split'] for job in jobs] == ['train', 'test']
    assert [pack_samples(job).num_samples for job in jobs] == [8, 3]


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        (dict(type='RepeatDataset'), 'one cloud per sample, got RepeatDat'),
        (dict(pipeline=[]), 'pipelines of ShapeNet55 read no files'),
    ],
)
def test_what_cannot_be_packed(
    shapenet: dict, change: dict, text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        list_jobs(shapenet | change)


def test_plan_names_files_from_the_root(shapenet: dict) -> None:
    (job, _) = list_jobs(shapenet)
    header, samples = plan_pack(build(job.cfg, lazy_init=False))
    assert samples[1]['info'] == dict(
        lidar_path='shapenet_pc/03001627-m1.npy',
        split='train',
        category='chair',
        gt_label=18,
    )
    path = Path(shapenet['data_root']) / 'shapenet_pc' / '03001627-m1.npy'
    status = path.stat()
    assert samples[1]['stamp'] == [status.st_size, status.st_mtime_ns]
    assert list(header['sources']) == ['ShapeNet-55/train.txt']
    assert header['loaders']['LoadPointCloud']['npz_key'] is None


class _WithArray(ShapeNet55):
    """Has an array in its list of samples."""

    def list_samples(self) -> list[dict]:
        return [s | dict(label=(1, 2)) for s in super().list_samples()]


def test_arrays_do_not_belong_into_the_index(shapenet: dict) -> None:
    del shapenet['type']
    with pytest.raises(TypeError, match='hand arrays on by read_arrays'):
        plan_pack(_WithArray(**shapenet))


class _KilledError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize('num_workers', [0, 2])
def test_killed_and_continued(
    shapenet: dict, tmp_path: Path, num_workers: int
) -> None:
    def kill(done: int, total: int) -> None:
        assert total == 8
        if done == 5:
            raise _KilledError

    job = list_jobs(shapenet)[0]
    with pytest.raises(_KilledError):
        pack_samples(job, progress=kill, num_workers=num_workers)
    assert not Path(job.path).exists()
    seen = []
    result = pack_samples(
        job, progress=lambda done, _: seen.append(done), num_workers=1
    )
    assert (result.num_samples, result.num_before) == (8, 5)
    assert seen == [5, 6, 7, 8]
    whole = list_jobs(shapenet, str(tmp_path / 'whole'))[0]
    assert pack_samples(whole).num_before == 0
    assert Path(whole.path).read_bytes() == Path(job.path).read_bytes()
    assert len(list(Path(shapenet['data_root']).glob('*.pack*'))) == 1


def test_pack_that_is_up_to_date_stays(shapenet: dict) -> None:
    (first, _) = pack(shapenet)
    path = Path(shapenet['data_root']) / 'ShapeNet55_train.pack'
    before = path.stat()
    (again, _) = pack(shapenet)
    assert path.stat().st_ino == before.st_ino
    assert (first.num_before, again.num_before) == (0, 8)
    assert again.num_bytes == before.st_size
    cloud = path.parent / 'shapenet_pc' / '03001627-m1.npy'
    np.save(cloud, np.ones((4, 3), np.float32))
    (third, _) = pack(shapenet)
    assert third.num_before == 0
    arrays = PointPack(path).load_index()[1][1]['arrays']
    assert arrays['raw_points'][1] == [4, 3]


def test_damaged_pack_is_made_anew(shapenet: dict) -> None:
    pack(shapenet)
    path = Path(shapenet['data_root']) / 'ShapeNet55_train.pack'
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    pack(shapenet)
    assert path.read_bytes() == good


def test_unusable_cloud_stops_and_the_work_is_kept(shapenet: dict) -> None:
    root = Path(shapenet['data_root'])
    bad = root / 'shapenet_pc' / 'extra-m2.npy'
    good = bad.read_bytes()
    bad.write_bytes(b'')
    with pytest.raises(BadSampleError, match=r'extra-m2\.npy: empty'):
        pack(shapenet)
    (skipped, _) = pack(shapenet, on_error='skip')
    assert (skipped.num_samples, skipped.num_faults) == (8, 1)
    with pytest.raises(BadSampleError, match=r'extra-m2\.npy: empty'):
        pack(shapenet)
    bad.write_bytes(good)
    (mended, _) = pack(shapenet)
    assert (mended.num_samples, mended.num_faults) == (8, 0)
    shutil.rmtree(root / 'shapenet_pc')
    assert len(samples_of(build(shapenet))) == 11


def test_points_drawn_in_each_epoch_are_refused(shapenet: dict) -> None:
    shapenet['pipeline'] = [dict(type='LoadPointCloud', mesh_per_epoch=True)]
    with pytest.raises(ValueError, match='a pack holds one draw'):
        pack(shapenet)
