from __future__ import annotations

import json

import pytest

from mmdet3d_act.synthetic import (
    ScanOptions,
    SetOptions,
    category_names,
    plan_jobs,
)
from mmdet3d_act.synthetic.plan import (
    describe_categories,
    index_files,
    part_offsets,
)

SMALL = SetOptions(
    num_pretrain=5,
    num_pretrain_test=2,
    num_train_per_class=3,
    num_val_per_class=1,
    num_test_per_class=2,
    categories=('mug', 'chair'),
    parts=True,
)


def test_jobs_are_as_many_as_asked_with_their_own_files() -> None:
    jobs = plan_jobs(SMALL)
    splits = [job.split for job in jobs]
    counts = {split: splits.count(split) for split in splits}
    assert counts == {
        'pretrain': 5,
        'pretrain_test': 2,
        'train': 6,
        'val': 2,
        'test': 4,
    }
    assert len({job.path for job in jobs}) == len(jobs)
    assert len({job[:3] for job in jobs}) == len(jobs)
    assert jobs[0].path == (
        'ShapeNet55-34/shapenet_pc/03001627-pretrain00000.npy'
    )
    assert jobs[7].path == 'procscan/train/chair/chair_0000.npy'


def test_unlabelled_clouds_are_spread_over_the_categories() -> None:
    names = [job.name for job in plan_jobs(SMALL)[:5]]
    assert sorted(names) == ['chair'] * 3 + ['mug'] * 2


def test_lists_name_the_files() -> None:
    files = index_files(SMALL)
    train = files['ShapeNet55-34/ShapeNet-55/train.txt'].split()
    test = files['ShapeNet55-34/ShapeNet-55/test.txt'].split()
    assert len(train) == 5
    assert len(test) == 2
    assert not set(train) & set(test)
    assert all(len(name.split('-')) == 2 for name in train + test)
    listed = files[
        'procscan_parts/train_test_split/shuffled_val_file_list.json'
    ]
    assert listed[0] == 'shape_data/03001627/val_chair_0000'


def test_part_labels_do_not_overlap() -> None:
    assert part_offsets(SMALL) == {'chair': 0, 'mug': 4}
    parts = [
        label
        for entry in describe_categories(SMALL)['categories'].values()
        for label in entry['parts'].values()
    ]
    assert parts == list(range(6))


def test_options_survive_json() -> None:
    scan = ScanOptions(one_sided=False, noise=0.5)
    options = SetOptions(seed=4, scan=scan, categories=('mug',))
    text = json.dumps(options.to_dict())
    assert SetOptions.from_dict(json.loads(text)) == options
    assert SetOptions().categories == tuple(category_names())


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'num_points': 4}, 'num_points must be at least 16, got 4'),
        ({'seed': -1}, 'seed must be at least 0, got -1'),
        ({'categories': ('mug', 'mug')}, 'categories must differ'),
        ({'categories': ('dragon',)}, "got 'dragon'"),
    ],
)
def test_refuses_wrong_options(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SetOptions(**values)
