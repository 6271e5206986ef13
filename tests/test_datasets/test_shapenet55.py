from __future__ import annotations

from pathlib import Path

import pytest

from mmdet3d_act.datasets import ShapeNet55
from mmdet3d_act.datasets.shapenet55 import SYNSET_NAMES
from mmdet3d_act.registry import DATASETS
from tests.test_datasets.clouds import NAMES, write_shapenet


@pytest.mark.parametrize(
    'folder', ['shapenet_pc', 'shapenet_pc_masksurf_with_normal']
)
def test_samples(tmp_path: Path, folder: str) -> None:
    root = write_shapenet(tmp_path / 'data', folder)
    cfg = dict(type='ShapeNet55', data_root=f'{root}//')
    parts = {'trainval': ['train'] * 8 + ['test'] * 3, 'test': ['test'] * 3}
    for split, expected in parts.items():
        dataset = DATASETS.build(cfg | dict(split=split))
        infos = [dataset.get_data_info(i) for i in range(len(dataset))]
        names = [n for part in dataset.parts for n in NAMES[part]]
        assert [i['lidar_path'] for i in infos] == [
            str(root / folder / name) for name in names
        ]
        assert [i['split'] for i in infos] == expected
        assert [i['sample_idx'] for i in infos] == list(range(len(names)))


def test_category_from_the_synset(shapenet_root: Path) -> None:
    assert len(SYNSET_NAMES) == len(set(SYNSET_NAMES.values())) == 55
    assert list(SYNSET_NAMES) == sorted(SYNSET_NAMES)
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
    metainfo = dict(classes=['chair'])
    dataset = ShapeNet55(str(shapenet_root), 'train', metainfo=metainfo)
    labels = [dataset.get_data_info(i).get('gt_label') for i in (0, 1)]
    assert labels == [None, 0]


def _problems(root: Path, **kwargs: object) -> list[str]:
    cfg = dict(type='ShapeNet55', data_root=str(root), split='trainval')
    return ShapeNet55.check_requirements(cfg | dict(pipeline=[3]) | kwargs)


def test_what_is_missing(shapenet_root: Path) -> None:
    (text,) = _problems(shapenet_root / 'none')
    assert str(shapenet_root / 'none' / 'shapenet_pc') in text
    assert 'ACT_DATA_ROOT' in text
    assert 'make_synthetic_shapes.py OUT' in text
    assert 'val_dataloader=None' not in text
    (text,) = _problems(shapenet_root / 'none', test_mode=True)
    assert 'val_dataloader=None val_cfg=None val_evaluator=None' in text
    (shapenet_root / 'shapenet_pc' / NAMES['test'][1]).unlink()
    (text,) = _problems(shapenet_root)
    assert '1 of 11 listed files' in text
    assert NAMES['test'][1] in text
    assert _problems(shapenet_root, on_error='skip') == []
    (shapenet_root / 'ShapeNet-55' / 'test.txt').unlink()
    (text,) = _problems(shapenet_root)
    assert str(shapenet_root / 'ShapeNet-55' / 'test.txt') in text
    assert _problems(shapenet_root, split='train') == []
