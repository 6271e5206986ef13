from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets import ModelNet40

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
    (folder / 'modelnet10_train.txt').write_text(NAMES[1])
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


def test_packed_file_is_preferred(tree: Path) -> None:
    path = _pack(tree, [7, 9])
    dataset = ModelNet40(str(tree), 'train', pipeline=PIPELINE)
    assert len(dataset) == 2
    sample = dataset[1]
    np.testing.assert_array_equal(sample['points'].tensor, _rows(11))
    assert sample['gt_label'] == 9
    assert sample['category'] == dataset.metainfo['classes'][9]
    assert sample['lidar_path'] == f'{path}#1'
    assert 'raw_points' not in sample
    sample['points'].tensor.zero_()
    assert dataset[1]['points'].tensor.any()
    txt = ModelNet40(str(tree), 'train', source='txt')
    assert len(txt) == 4


def test_packed_farthest_points_are_the_first(tree: Path) -> None:
    _pack(tree, [7])
    sample = dict(type='SamplePoints', num_points=5, method='fps')
    dataset = ModelNet40(str(tree), 'train', pipeline=[*PIPELINE, sample])
    np.testing.assert_array_equal(dataset[0]['points'].tensor, _rows(10)[:5])


def test_packed_label_outside(tree: Path) -> None:
    _pack(tree, [3, 40])
    with pytest.raises(ValueError, match=r'in \[0, 40\), got 40 for cloud 1'):
        ModelNet40(str(tree), 'train')


def test_modelnet10(tree: Path) -> None:
    dataset = ModelNet40(str(tree), 'train', variant='modelnet10')
    assert len(dataset.metainfo['classes']) == 10
    info = dataset.get_data_info(0)
    assert (info['category'], info['gt_label']) == ('night_stand', 6)


def test_class_names_are_the_official_ones() -> None:
    classes = ModelNet40.METAINFO['classes']
    assert len(classes) == 40
    assert list(classes) == sorted(classes)


def test_other_class_list(tree: Path) -> None:
    folder = tree / 'modelnet40_normal_resampled'
    (folder / 'modelnet40_shape_names.txt').write_text('bed\nairplane\n')
    with pytest.raises(ValueError, match='2 classes that are not the 40'):
        ModelNet40(str(tree), 'train')


def test_unknown_class_in_the_list(tree: Path) -> None:
    folder = tree / 'modelnet40_normal_resampled'
    (folder / 'modelnet40_train.txt').write_text('dragon_0001\n')
    with pytest.raises(ValueError, match="names the class 'dragon'"):
        ModelNet40(str(tree), 'train', on_error='skip')


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (dict(variant='modelnet30'), "variant must .*got 'modelnet30'"),
        (dict(source='h5'), "source must .*got 'h5'"),
    ],
)
def test_wrong_options(tree: Path, options: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ModelNet40(str(tree), 'train', **options)


def test_requirements(tree: Path) -> None:
    cfg = dict(type='ModelNet40', data_root=str(tree), split='train')
    assert ModelNet40.check_requirements(cfg) == []
    (text,) = ModelNet40.check_requirements(cfg | dict(split='test'))
    assert 'modelnet40_normal_resampled/modelnet40_test.txt' in text
    assert 'ACT_DATA_ROOT' in text
    (text,) = ModelNet40.check_requirements(cfg | dict(source='packed'))
    assert 'modelnet40_train_8192pts_fps.dat' in text
    folder = tree / 'modelnet40_normal_resampled'
    (folder / 'xbox' / 'xbox_0003.txt').unlink()
    (text,) = ModelNet40.check_requirements(cfg)
    assert '1 of 4' in text
    assert 'xbox/xbox_0003.txt' in text
