from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets import PointFolder

PIPELINE = [dict(type='LoadPointCloud')]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """{train,test}/<class>/ with a class that only one split has."""
    names = (
        'train/cup/a.npy',
        'train/cup/b.txt',
        'test/cup/c.npz',
        'test/bowl/d.npy',
        'train/jar/e.npy',
    )
    for value, name in enumerate(names):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        points = np.full((4, 3), value, np.float32)
        if path.suffix == '.npy':
            np.save(path, points)
        elif path.suffix == '.npz':
            np.savez(path, points)
        else:
            np.savetxt(path, points)
    (tmp_path / 'train' / 'cup' / 'readme.md').touch()
    return tmp_path


def _seen(dataset: PointFolder) -> list[tuple]:
    samples = [dataset[i] for i in range(len(dataset))]
    return [
        (s['points'].tensor[0, 0].item(), s['split'], s.get('gt_label'))
        for s in samples
    ]


def test_whole_folder(root: Path) -> None:
    dataset = PointFolder(str(root), pipeline=PIPELINE)
    assert _seen(dataset) == [
        (3, 'train', None),
        (2, 'train', None),
        (0, 'train', None),
        (1, 'train', None),
        (4, 'train', None),
    ]
    assert dataset.metainfo['classes'] == ()


@pytest.mark.parametrize(
    ('split', 'expected'),
    [
        ('train', [(0, 'train', 1), (1, 'train', 1), (4, 'train', 2)]),
        ('test', [(3, 'test', 0), (2, 'test', 1)]),
    ],
)
def test_classes_agree_between_splits(
    root: Path, split: str, expected: list
) -> None:
    dataset = PointFolder(
        str(root), split, classes='folders', pipeline=PIPELINE
    )
    assert dataset.metainfo['classes'] == ('bowl', 'cup', 'jar')
    assert _seen(dataset) == expected
    both = PointFolder(
        str(root), 'trainval', classes='folders', pipeline=PIPELINE
    )
    assert set(expected) < set(_seen(both))
    assert len(both) == 5


def test_named_classes(root: Path) -> None:
    dataset = PointFolder(
        str(root), 'train', classes=['jar', 'cup'], pipeline=PIPELINE
    )
    assert [label for _, _, label in _seen(dataset)] == [1, 1, 0]
    assert dataset.get_data_info(0)['category'] == 'cup'


def test_file_outside_the_classes(root: Path) -> None:
    with pytest.raises(ValueError, match=r"e\.npy is in no class.*\['cup'\]"):
        PointFolder(str(root), 'train', classes=['cup'])


def test_file_beside_the_classes(root: Path) -> None:
    np.save(root / 'train' / 'z.npy', np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r'z\.npy is in no class folder'):
        PointFolder(str(root), 'train', classes='folders')


def test_meta_information(root: Path) -> None:
    dataset = PointFolder(str(root), up_axis='z', normalization='metres')
    assert dataset.metainfo['up_axis'] == 'z'
    assert dataset.metainfo['normalization'] == 'metres'


def test_classes_must_be_names(root: Path) -> None:
    with pytest.raises(ValueError, match=r"'folders', a sequence .*'cup'"):
        PointFolder(str(root), classes='cup')


def test_requirements(root: Path) -> None:
    cfg = dict(type='PointFolder', data_root=str(root), classes='folders')
    assert PointFolder.check_requirements(cfg | dict(split='test')) == []
    (text,) = PointFolder.check_requirements(cfg | dict(split='val'))
    assert str(root / 'val') in text
    cfg['data_root'] = str(root / 'none')
    (text,) = PointFolder.check_requirements(cfg)
    assert str(root / 'none') in text
    assert 'ACT_DATA_ROOT' in text


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='found no sample'):
        PointFolder(str(tmp_path))
