from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets import ModelNetFewShot
from mmdet3d_act.datasets.modelnet_fewshot import load_fold
from tests.test_datasets import packs

LOAD = [dict(type='LoadPointCloud', use_dim=6)]
# Labels in the fold to classes of ModelNet40: chair, xbox.
CLASSES = (8, 39)


def _cloud(number: int) -> np.ndarray:
    rng = np.random.default_rng(number)
    return rng.normal(size=(30, 6)).astype(np.float32)


def _fold(shot: int = 3, queries: int = 2) -> dict:
    """Return a fold in the published form: labels are NumPy's integers."""
    rows = {}
    for offset, (split, count) in enumerate(
        (('train', shot), ('test', queries))
    ):
        rows[split] = [
            (_cloud(100 * offset + 10 * label + i), label, np.int32(number))
            for i in range(count)
            for label, number in enumerate(CLASSES)
        ]
    return rows


def write_fold(root: Path, fold: object, name: str = '2way_3shot/0') -> Path:
    path = root / f'{name}.pkl'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(fold))
    return path


def _data(root: Path, split: str, **options: object) -> ModelNetFewShot:
    options = dict(way=2, shot=3, pipeline=LOAD) | options
    return ModelNetFewShot(str(root), split, **options)


@pytest.mark.parametrize('folder', ['2way_3shot', '2way3shot'])
def test_both_splits(tmp_path: Path, folder: str) -> None:
    path = write_fold(tmp_path, _fold(), f'{folder}/4')
    data = _data(tmp_path, 'train', fold=4)
    assert data.metainfo['classes'] == ('chair', 'xbox')
    assert data.metainfo['up_axis'] == 'y'
    samples = [data[i] for i in range(len(data))]
    assert [s['gt_label'] for s in samples] == [0, 1] * 3
    assert [s['category'] for s in samples[:2]] == ['chair', 'xbox']
    assert samples[5]['lidar_path'] == f'{path}#5'
    np.testing.assert_array_equal(samples[5]['points'].tensor, _cloud(12))
    data = _data(tmp_path, 'test', fold=4)
    assert len(data) == 4
    assert data.metainfo['classes'] == ('chair', 'xbox')
    np.testing.assert_array_equal(data[1]['points'].tensor, _cloud(110))


@pytest.mark.parametrize('protocol', [2, 4])
def test_published_form(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / '0.pkl'
    path.write_bytes(pickle.dumps(_fold(), protocol))
    parts = load_fold(str(path), 2)
    clouds, labels, numbers = parts['test']
    assert labels == [0, 1, 0, 1]
    assert numbers == [8, 39, 8, 39]
    np.testing.assert_array_equal(clouds[2], _cloud(101))


def test_without_the_number_of_the_class(tmp_path: Path) -> None:
    fold = {k: [row[:2] for row in rows] for k, rows in _fold().items()}
    write_fold(tmp_path, fold)
    data = _data(tmp_path, 'test')
    assert data.metainfo['classes'] == ('class 0', 'class 1')


def test_packed(tmp_path: Path) -> None:
    path = write_fold(tmp_path, _fold())
    cfg = dict(
        type='ModelNetFewShot',
        data_root=str(tmp_path),
        split='train',
        way=2,
        shot=3,
        pipeline=LOAD,
    )
    before = packs.samples_of(packs.build(cfg))
    (result,) = packs.pack(cfg)
    assert result.num_samples == 6
    path.unlink()
    packed = packs.build(cfg)
    assert packs.equal(packs.samples_of(packed), before)
    assert packed.metainfo['classes'] == ('chair', 'xbox')


def test_missing_fold(tmp_path: Path) -> None:
    write_fold(tmp_path, _fold())
    cfg = dict(data_root=str(tmp_path), split='test', way=2, shot=3)
    assert ModelNetFewShot.check_requirements(cfg) == []
    (text,) = ModelNetFewShot.check_requirements(cfg | dict(fold=1))
    assert '2way_3shot/1.pkl' in text
    assert 'FewShotDraw' in text
    with pytest.raises(FileNotFoundError, match=r'2way_5shot/0\.pkl'):
        _data(tmp_path, 'test', shot=5)


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (dict(way=1), 'way must be >= 2, got 1'),
        (dict(shot=0), 'shot must be >= 1, got 0'),
        (dict(fold=-1), 'fold must be >= 0, got -1'),
    ],
)
def test_wrong_numbers(tmp_path: Path, options: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        _data(tmp_path, 'train', **options)


class _Harmful:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.target),)


def test_code_is_not_run(tmp_path: Path) -> None:
    target = tmp_path / 'harm'
    write_fold(tmp_path, dict(train=[_Harmful(target)], test=[]))
    with pytest.raises(ValueError, match=rf'refused to load {os.name}\.mkdir'):
        _data(tmp_path, 'train')
    assert not target.exists()


def _changed(split: str, index: int, row: object) -> dict:
    fold = _fold()
    fold[split][index] = row
    return fold


@pytest.mark.parametrize(
    ('fold', 'text'),
    [
        ([_cloud(0)], "dict with 'train' and 'test', got list"),
        (dict(train=[]), r"'test', got a dict of \['train'\]"),
        (dict(train=[], test=[]), r'labels 0 to 1, .*got \[\]'),
        (
            _changed('train', 0, (_cloud(0), 2, 8)),
            r'train clouds of the labels 0 to 1, .*got \[0, 1, 2\]',
        ),
        (_changed('test', 1, _cloud(0)), "in 'test', got ndarray"),
        (_changed('test', 1, (1, 0, 8)), r"label, class\) in 'test'"),
        (_changed('train', 1, (_cloud(0), 0.5, 8)), 'to be whole numbers'),
        (_changed('train', 1, (_cloud(0), 'a', 8)), 'to be whole numbers'),
        (
            _changed('test', 0, (_cloud(0), 0, 9)),
            'label 0 is chair and cone; expected one class per label',
        ),
    ],
)
def test_other_content(tmp_path: Path, fold: object, text: str) -> None:
    write_fold(tmp_path, fold)
    with pytest.raises(ValueError, match=rf'2way_3shot/0\.pkl: .*{text}'):
        _data(tmp_path, 'train')


def test_truncated_file(tmp_path: Path) -> None:
    path = write_fold(tmp_path, _fold())
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ValueError, match=r'0\.pkl: cannot be read'):
        _data(tmp_path, 'train')
