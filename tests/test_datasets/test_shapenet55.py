from __future__ import annotations

from pathlib import Path

import pytest

from mmdet3d_act.datasets import ShapeNet55
from mmdet3d_act.datasets.shapenet55 import SYNSET_NAMES
from mmdet3d_act.registry import DATASETS
from tests.test_datasets.clouds import NAMES, write_shapenet


def test_categories_are_55_different_ones() -> None:
    assert len(SYNSET_NAMES) == len(set(SYNSET_NAMES.values())) == 55
    assert list(SYNSET_NAMES) == sorted(SYNSET_NAMES)


@pytest.mark.parametrize(
    ('split', 'names'),
    [
        ('train', NAMES['train']),
        ('test', NAMES['test']),
        ('trainval', NAMES['train'] + NAMES['test']),
    ],
)
@pytest.mark.parametrize(
    'folder', ['shapenet_pc', 'shapenet_pc_masksurf_with_normal']
)
def test_samples(
    tmp_path: Path, split: str, names: list[str], folder: str
) -> None:
    root = write_shapenet(tmp_path / 'data', folder)
    dataset = DATASETS.build(
        dict(type='ShapeNet55', data_root=f'{root}//', split=split)
    )
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    assert [i['lidar_path'] for i in infos] == [
        str(root / folder / name) for name in names
    ]
    parts = ['train'] * len(names) if split != 'test' else ['test'] * 3
    if split == 'trainval':
        parts[-3:] = ['test'] * 3
    assert [i['split'] for i in infos] == parts
    assert [i['sample_idx'] for i in infos] == list(range(len(names)))


def test_category_from_the_synset(shapenet_root: Path) -> None:
    dataset = ShapeNet55(str(shapenet_root), 'train')
    classes = dataset.metainfo['classes']
    infos = [dataset.get_data_info(i) for i in range(4)]
    assert [i.get('category') for i in infos] == [
        'airplane',
        'chair',
        None,
        None,
    ]
    assert [classes[i['gt_label']] for i in infos[:2]] == ['airplane', 'chair']
    assert 'gt_label' not in infos[2]
    assert dataset.metainfo['categories']['04256520'] == 'sofa'


def test_own_classes(shapenet_root: Path) -> None:
    metainfo = dict(classes=['chair'])
    dataset = ShapeNet55(str(shapenet_root), 'train', metainfo=metainfo)
    assert [dataset.get_data_info(i).get('gt_label') for i in (0, 1)] == [
        None,
        0,
    ]


def _problems(root: Path, **kwargs: object) -> list[str]:
    cfg = dict(type='ShapeNet55', data_root=str(root), split='trainval')
    return ShapeNet55.check_requirements(cfg | dict(pipeline=[3]) | kwargs)


def test_missing_folder(tmp_path: Path) -> None:
    (text,) = _problems(tmp_path / 'none')
    assert str(tmp_path / 'none' / 'shapenet_pc') in text
    assert 'ACT_DATA_ROOT' in text
    assert 'ShapeNet-55/{train,test}.txt' in text
    assert 'dataset_converters/make_synthetic_shapes.py OUT' in text
    assert 'val_dataloader=None' not in text
    (text,) = _problems(tmp_path / 'none', test_mode=True)
    assert 'val_dataloader=None val_cfg=None val_evaluator=None' in text


def test_missing_list(shapenet_root: Path) -> None:
    (shapenet_root / 'ShapeNet-55' / 'test.txt').unlink()
    (text,) = _problems(shapenet_root)
    assert str(shapenet_root / 'ShapeNet-55' / 'test.txt') in text
    assert _problems(shapenet_root, split='train') == []


def test_missing_files(shapenet_root: Path) -> None:
    (shapenet_root / 'shapenet_pc' / NAMES['test'][1]).unlink()
    (text,) = _problems(shapenet_root)
    assert '1 of 11 listed files are missing' in text
    assert NAMES['test'][1] in text
    assert _problems(shapenet_root, on_error='skip') == []
