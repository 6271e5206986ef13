from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets import ModelNet40, ModelNetFewShot
from mmdet3d_act.datasets.modelnet40 import read_dat

NAMES = ['airplane_0001', 'night_stand_0002', 'xbox_0003', 'flower_pot_0004']
LABELS = [0, 23, 39, 15]
PIPELINE = [dict(type='LoadPointCloud', use_dim=6)]


def _rows(index: int) -> np.ndarray:
    rows = np.random.default_rng(index).normal(size=(20, 6))
    return rows.round(6).astype(np.float32)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The text tree with four training clouds."""
    folder = tmp_path / 'ModelNet' / 'modelnet40_normal_resampled'
    for index, name in enumerate(NAMES):
        path = folder / name.rpartition('_')[0] / f'{name}.txt'
        path.parent.mkdir(parents=True)
        np.savetxt(path, _rows(index), fmt='%.6f', delimiter=',')
    (folder / 'modelnet40_train.txt').write_text('\n'.join(NAMES))
    return tmp_path / 'ModelNet'


def _pack(tree: Path, labels: list) -> Path:
    path = tree / 'modelnet40_normal_resampled'
    path = path / 'modelnet40_train_8192pts_fps.dat'
    clouds = [_rows(i + 10) for i in range(len(labels))]
    labels = [np.array([label], np.int32) for label in labels]
    path.write_bytes(pickle.dumps([clouds, labels]))
    return path


@pytest.mark.parametrize('inner', ['', 'modelnet40_normal_resampled'])
def test_txt(tree: Path, inner: str) -> None:
    dataset = ModelNet40(str(tree / inner), 'train', pipeline=PIPELINE)
    samples = [dataset[i] for i in range(4)]
    assert [s['gt_label'] for s in samples] == LABELS
    assert [s['category'] for s in samples] == [
        'airplane',
        'night_stand',
        'xbox',
        'flower_pot',
    ]
    assert {s['split'] for s in samples} == {'train'}
    for index, sample in enumerate(samples):
        np.testing.assert_allclose(sample['points'].tensor, _rows(index))


def test_dat_is_preferred(tree: Path) -> None:
    path = _pack(tree, [7, 9])
    steps = [*PIPELINE, dict(type='SamplePoints', num_points=5, method='fps')]
    dataset = ModelNet40(str(tree), 'train', pipeline=steps)
    assert len(dataset) == 2
    sample = dataset[1]
    # Its points are in the order of farthest point sampling.
    np.testing.assert_array_equal(sample['points'].tensor, _rows(11)[:5])
    assert sample['gt_label'] == 9
    assert sample['category'] == dataset.metainfo['classes'][9]
    assert sample['lidar_path'] == f'{path}#1'
    sample['points'].tensor.zero_()
    assert dataset[1]['points'].tensor.any()
    assert len(ModelNet40(str(tree), 'train', source='txt')) == 4
    _pack(tree, [3, 40])
    with pytest.raises(ValueError, match=r'in \[0, 40\), got 40'):
        ModelNet40(str(tree), 'train')


def test_other_classes(tree: Path) -> None:
    folder = tree / 'modelnet40_normal_resampled'
    (folder / 'modelnet40_train.txt').write_text('dragon_0001\n')
    with pytest.raises(ValueError, match='dragon_0001'):
        ModelNet40(str(tree), 'train', on_error='skip')


@pytest.mark.parametrize(
    'content', [{}, [[np.ones((5, 6))], [1, 2]], [[np.ones((5, 6))], ['a']]]
)
def test_other_content(tmp_path: Path, content: object) -> None:
    path = tmp_path / 'a.dat'
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=r'a\.dat: '):
        read_dat(str(path))


def test_requirements(tree: Path) -> None:
    cfg = dict(type='ModelNet40', data_root=str(tree), split='train')
    assert ModelNet40.check_requirements(cfg) == []
    (text,) = ModelNet40.check_requirements(cfg | dict(split='test'))
    assert 'modelnet40_normal_resampled/modelnet40_test.txt' in text
    (text,) = ModelNet40.check_requirements(cfg | dict(source='dat'))
    assert 'modelnet40_train_8192pts_fps.dat' in text
    folder = tree / 'modelnet40_normal_resampled'
    (folder / 'xbox' / 'xbox_0003.txt').unlink()
    (text,) = ModelNet40.check_requirements(cfg)
    assert '1 of 4' in text
    assert 'xbox/xbox_0003.txt' in text


# Few-shot folds.

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


def _fold_data(root: Path, split: str, **options: object) -> ModelNetFewShot:
    options = dict(way=2, shot=3, pipeline=LOAD) | options
    return ModelNetFewShot(str(root), split, **options)


@pytest.mark.parametrize('folder', ['2way_3shot', '2way3shot'])
def test_both_splits(tmp_path: Path, folder: str) -> None:
    path = write_fold(tmp_path, _fold(), f'{folder}/4')
    data = _fold_data(tmp_path, 'train', fold=4)
    assert data.metainfo['classes'] == ('chair', 'xbox')
    assert data.metainfo['up_axis'] == 'y'
    samples = [data[i] for i in range(len(data))]
    assert [s['gt_label'] for s in samples] == [0, 1] * 3
    assert [s['category'] for s in samples[:2]] == ['chair', 'xbox']
    assert samples[5]['lidar_path'] == f'{path}#5'
    np.testing.assert_array_equal(samples[5]['points'].tensor, _cloud(12))
    data = _fold_data(tmp_path, 'test', fold=4)
    assert len(data) == 4
    assert data.metainfo['classes'] == ('chair', 'xbox')
    np.testing.assert_array_equal(data[1]['points'].tensor, _cloud(110))


def test_without_the_number_of_the_class(tmp_path: Path) -> None:
    fold = {k: [row[:2] for row in rows] for k, rows in _fold().items()}
    write_fold(tmp_path, fold)
    data = _fold_data(tmp_path, 'test')
    assert data.metainfo['classes'] == ('class 0', 'class 1')


def _changed(split: str, index: int, row: object) -> dict:
    fold = _fold()
    fold[split][index] = row
    return fold


@pytest.mark.parametrize(
    'fold',
    [
        [_cloud(0)],
        dict(train=[]),
        dict(train=[], test=[]),
        _changed('train', 0, (_cloud(0), 2, 8)),
        _changed('test', 1, _cloud(0)),
        _changed('train', 1, (_cloud(0), 0.5, 8)),
        _changed('train', 1, (_cloud(0), 'a', 8)),
        _changed('test', 0, (_cloud(0), 0, 9)),
    ],
)
def test_other_folds(tmp_path: Path, fold: object) -> None:
    write_fold(tmp_path, fold)
    with pytest.raises(ValueError, match=r'2way_3shot/0\.pkl: '):
        _fold_data(tmp_path, 'train')
