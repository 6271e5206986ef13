from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets import (
    PointFolder,
    SampleIndex,
    UnionDataset,
)
from mmdet3d_act.registry import DATASETS
from tests.test_datasets.test_orientation import table

LOAD = [dict(type='LoadPointCloud')]
DRAW = [*LOAD, dict(type='RandomPointScaleShift')]


@pytest.fixture
def folders(tmp_path: Path) -> list[dict]:
    """Configs of two folders, of one and of three chairs and a cup."""
    rng = np.random.default_rng(0)
    names = (['chair/a'], ['chair/a', 'chair/b', 'chair/c', 'cup/a'])
    cfgs = []
    for number, files in enumerate(names):
        root = tmp_path / str(number)
        for name in files:
            path = root / f'{name}.npy'
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, table(rng, 1.0))
        cfgs.append(dict(type='PointFolder', data_root=str(root)))
    return cfgs


def _union(parts: list[dict], **options: object) -> UnionDataset:
    cfg = dict(type='ConcatDataset', datasets=parts, **options)
    return DATASETS.build(cfg)


def test_folders_with_other_reasons_for_a_guess_are_joined(
    folders: list[dict],
) -> None:
    parts = [one | dict(up_axis='auto') for one in folders]
    reasons = {DATASETS.build(one).guesses['up_axis'][1] for one in parts}
    assert len(reasons) == 2
    union = _union(parts)
    assert isinstance(union, UnionDataset)
    assert len(union) == 5
    assert union.metainfo['up_axis'] == 'z'


@pytest.mark.parametrize(
    ('key', 'values'),
    [
        ('up_axis', ('y', 'z')),
        ('normalization', ('none', 'unit_sphere')),
        ('classes', (['chair'], ['cup', 'chair'])),
    ],
)
def test_the_key_in_which_data_sets_differ_is_named(
    folders: list[dict], key: str, values: tuple
) -> None:
    stated = dict(up_axis='z', normalization='none')
    parts = [
        one | stated | {key: value}
        for one, value in zip(folders, values, strict=True)
    ]
    with pytest.raises(ValueError, match=f'differ in {key}: .*/0 and .*/1'):
        _union(parts)
    assert len(_union(parts, ignore_keys=key)) == 5


def test_classes_are_balanced_and_epochs_differ(folders: list[dict]) -> None:
    inner = folders[1] | dict(classes='folders', pipeline=DRAW)
    balanced = DATASETS.build(
        dict(
            type='ClassBalancedDataset',
            dataset=DATASETS.build(inner),
            oversample_thr=0.9,
        )
    )
    samples = [balanced[i] for i in range(len(balanced))]
    counts = Counter(sample['category'] for sample in samples)
    assert counts['cup'] == 2
    assert counts['chair'] >= 3
    last = len(balanced) - 1
    drawn = [balanced[SampleIndex(last, e, 1)]['points'] for e in (0, 1)]
    assert not drawn[0].tensor.equal(drawn[1].tensor)
    own = PointFolder(
        folders[1]['data_root'], classes='folders', pipeline=DRAW
    )
    same = own[SampleIndex(3, 1, 1)]['points'].tensor
    assert drawn[1].tensor.equal(same)
