from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.synthetic import SetOptions, make_cloud, plan_jobs, write_set

SMALL = SetOptions(
    num_pretrain=4,
    num_pretrain_test=2,
    num_train_per_class=2,
    num_val_per_class=1,
    num_test_per_class=1,
    num_points=64,
    categories=('mug', 'chair'),
    parts=True,
)


def contents(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob('*')
        if path.is_file()
    }


def test_writes_the_promised_tree(tmp_path: Path) -> None:
    assert write_set(tmp_path, SMALL)
    jobs = plan_jobs(SMALL)
    for job in jobs:
        points = np.load(tmp_path / job.path)
        assert points.shape == (64, 3)
        assert points.dtype == np.float32
    names = set(contents(tmp_path))
    paths = {p for job in jobs for p in (job.path, job.parts_path) if p}
    assert names - paths == {
        'ShapeNet55-34/ShapeNet-55/train.txt',
        'ShapeNet55-34/ShapeNet-55/test.txt',
        'categories.json',
        'procscan_parts/synsetoffset2category.txt',
        'procscan_parts/train_test_split/shuffled_train_file_list.json',
        'procscan_parts/train_test_split/shuffled_val_file_list.json',
        'procscan_parts/train_test_split/shuffled_test_file_list.json',
        'synthetic_manifest.json',
    }


def test_part_files_hold_points_normals_and_labels(tmp_path: Path) -> None:
    write_set(tmp_path, SMALL)
    described = json.loads((tmp_path / 'categories.json').read_text())
    for job in plan_jobs(SMALL):
        if not job.parts_path:
            continue
        rows = np.loadtxt(tmp_path / job.parts_path)
        cloud = make_cloud(job, SMALL)
        own = cloud.labels >= 0
        np.testing.assert_allclose(rows[:, :3], cloud.points[own], atol=1e-5)
        np.testing.assert_allclose(
            np.linalg.norm(rows[:, 3:6], axis=1), 1, atol=1e-3
        )
        parts = described['categories'][job.name]['parts'].values()
        assert set(rows[:, 6].astype(int)) <= set(parts)


def test_workers_and_other_content_do_not_change_a_cloud(
    tmp_path: Path,
) -> None:
    write_set(tmp_path / 'one', SMALL)
    write_set(tmp_path / 'two', SMALL, num_workers=2)
    assert contents(tmp_path / 'one') == contents(tmp_path / 'two')
    fewer = dataclasses.replace(SMALL, num_pretrain=0, categories=('mug',))
    write_set(tmp_path / 'few', fewer)
    name = 'procscan/test/mug/mug_0000.npy'
    assert (tmp_path / 'one' / name).read_bytes() == (
        tmp_path / 'few' / name
    ).read_bytes()


def test_clouds_differ_between_splits_and_seeds() -> None:
    jobs = [job for job in plan_jobs(SMALL) if job.name == 'mug']
    clouds = [make_cloud(job, SMALL).points for job in jobs]
    seeded = dataclasses.replace(SMALL, seed=1)
    clouds += [make_cloud(job, seeded).points for job in jobs]
    assert len({cloud.tobytes() for cloud in clouds}) == 2 * len(jobs)


def test_a_second_call_does_nothing(tmp_path: Path) -> None:
    write_set(tmp_path, SMALL)
    marked = tmp_path / plan_jobs(SMALL)[0].path
    marked.write_bytes(b'left alone')
    assert not write_set(tmp_path, SMALL)
    assert marked.read_bytes() == b'left alone'


def test_an_interrupted_set_is_completed(tmp_path: Path) -> None:
    write_set(tmp_path, SMALL)
    whole = contents(tmp_path)
    (tmp_path / plan_jobs(SMALL)[2].path).unlink()
    (tmp_path / 'categories.json').unlink()
    seen = []
    assert write_set(tmp_path, SMALL, progress=lambda *at: seen.append(at))
    assert contents(tmp_path) == whole
    total = len(plan_jobs(SMALL))
    assert seen == [(total - 1, total), (total, total)]


def test_other_options_are_refused(tmp_path: Path) -> None:
    write_set(tmp_path, SMALL)
    other = dataclasses.replace(SMALL, num_points=32)
    with pytest.raises(ValueError, match='num_points: 64 there, 32 now'):
        write_set(tmp_path, other)


def test_overwrite_removes_the_old_set_only(tmp_path: Path) -> None:
    write_set(tmp_path, SMALL)
    mine = tmp_path / 'procscan' / 'notes.txt'
    mine.write_text('keep')
    other = dataclasses.replace(SMALL, num_points=32, categories=('mug',))
    assert write_set(tmp_path, other, overwrite=True)
    names = set(contents(tmp_path))
    assert not [name for name in names if 'chair' in name]
    assert mine.read_text() == 'keep'


def test_folders_of_other_origin_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / 'ShapeNet55-34'
    folder.mkdir()
    (folder / 'real.npy').write_bytes(b'')
    with pytest.raises(ValueError, match='did not write'):
        write_set(tmp_path, SMALL, overwrite=True)


def test_refuses_no_workers(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='num_workers must be at least 1'):
        write_set(tmp_path, SMALL, num_workers=0)
