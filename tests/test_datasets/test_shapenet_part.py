from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets import ShapeNetPart
from tests.segmentation_data import write_shapes

PIPELINE = [dict(type='LoadPointCloud', use_dim=6, label_column=6)]
LISTS = 'train_test_split/shuffled_{}_file_list.json'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two training, one validation and two test clouds of caps and mugs."""
    return write_shapes(tmp_path)


def _build(folder: Path, split: str, **options: object) -> ShapeNetPart:
    options = dict(pipeline=PIPELINE) | options
    return ShapeNetPart(str(folder), split, **options)


@pytest.mark.parametrize('inner', ['', '..'])
def test_clouds_come_by_category_and_name(folder: Path, inner: str) -> None:
    dataset = _build((folder / inner).resolve(), 'test')
    samples = [dataset[i] for i in range(4)]
    assert [s['shape_category'] for s in samples] == ['Cap'] * 2 + ['Mug'] * 2
    assert [s['shape_label'] for s in samples] == [2, 2, 11, 11]
    assert [Path(s['lidar_path']).stem for s in samples] == [
        'test0',
        'test1',
    ] * 2
    for sample in samples:
        rows = np.loadtxt(sample['lidar_path'])
        np.testing.assert_allclose(
            sample['points'].tensor, rows[:, :6], rtol=1e-6
        )
        mask = sample['pts_semantic_mask']
        assert mask.dtype == np.int64
        np.testing.assert_array_equal(mask, rows[:, 6])


def test_splits(folder: Path) -> None:
    sizes = {s: len(_build(folder, s)) for s in ShapeNetPart.SPLITS}
    assert sizes == dict(train=4, val=2, test=4, trainval=6)
    parts = [s['split'] for s in _build(folder, 'trainval')]
    assert parts == ['train'] * 4 + ['val'] * 2
    share = _build(folder, 'train', label_fraction=0.5, label_seed=3)
    assert [s['shape_category'] for s in share] == ['Cap', 'Mug']


def test_some_categories_keep_their_numbers(folder: Path) -> None:
    # A folder that has only these needs no files of the others.
    for path in (folder / '02954340').iterdir():
        path.unlink()
    dataset = _build(folder, 'test', categories=['Mug'])
    assert [s['shape_label'] for s in dataset] == [11, 11]
    with pytest.raises(FileNotFoundError, match='2 of 4 listed files'):
        _build(folder, 'test')


def test_parts_are_the_published_ones() -> None:
    """As the published code numbers them."""
    meta = ShapeNetPart.METAINFO
    assert len(meta['classes']) == len(set(meta['classes'])) == 50
    assert list(meta['categories']) == sorted(meta['categories'])
    assert meta['category_parts']['Earphone'] == (16, 17, 18)
    assert meta['category_parts']['Motorbike'] == (30, 31, 32, 33, 34, 35)
    assert meta['category_parts']['Table'] == (47, 48, 49)
    for category, parts in meta['category_parts'].items():
        names = {meta['classes'][part].partition(' ')[0] for part in parts}
        assert names == {category.lower()}
    joined = [p for parts in meta['category_parts'].values() for p in parts]
    assert joined == list(range(50))


@pytest.mark.parametrize(
    'text',
    [
        '["shape_data/02954340/test0"',
        '{"a": 1}',
        '["shape_data/0000/a"]',
        '[7]',
    ],
)
def test_damaged_lists(folder: Path, text: str) -> None:
    path = folder / LISTS.format('test')
    path.write_text(text)
    with pytest.raises(ValueError, match=f'{path.name}: '):
        _build(folder, 'test')
