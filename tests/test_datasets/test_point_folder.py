from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets import PointFolder
from tests.test_datasets.test_orientation import table

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
    with pytest.raises(
        ValueError, match=r"'folders', 'lists', a sequence .*'cup'"
    ):
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


def test_labels_from_lists(root: Path) -> None:
    (root / 'train.csv').write_text(
        'path,label\ntrain/jar/e.npy,big\ntrain/cup/a.npy,small\n'
    )
    (root / 'test.csv').write_text('path,label\ntest/cup/c.npz,huge\n')
    options = dict(classes='lists', pipeline=PIPELINE)
    dataset = PointFolder(str(root), 'train', **options)
    assert dataset.metainfo['classes'] == ('big', 'huge', 'small')
    assert _seen(dataset) == [(4, 'train', 0), (0, 'train', 2)]
    assert _seen(PointFolder(str(root), 'test', **options)) == [(2, 'test', 1)]
    options['classes'] = ['small', 'big']
    dataset = PointFolder(str(root), 'train', **options)
    assert [label for _, _, label in _seen(dataset)] == [1, 0]
    with pytest.raises(ValueError, match=r"label 'huge' in its list.*small"):
        PointFolder(str(root), 'test', **options)


def test_numbers_as_labels(root: Path) -> None:
    (root / 'train.txt').write_text('train/cup/a.npy 1\ntrain/jar/e.npy 0\n')
    dataset = PointFolder(str(root), 'train', classes=['jar', 'cup'])
    assert [dataset.get_data_info(i)['category'] for i in (0, 1)] == [
        'cup',
        'jar',
    ]
    (root / 'train.txt').write_text('train/cup/a.npy\n')
    with pytest.raises(ValueError, match='label None in its list'):
        PointFolder(str(root), 'train', classes='lists')


def test_listed_file_that_is_missing(root: Path) -> None:
    (root / 'train.txt').write_text('train/cup/a.npy\ntrain/cup/no.npy\n')
    with pytest.raises(FileNotFoundError, match=r'1 of 2 listed.*no\.npy'):
        PointFolder(str(root), 'train')
    assert len(PointFolder(str(root), 'train', on_error='skip')) == 2
    with pytest.raises(FileNotFoundError, match=r'a list at .*l_train\.txt'):
        PointFolder(str(root), 'train', split_list='l_{split}.txt')


def test_drawn_splits(root: Path) -> None:
    options = dict(split_ratio=(0.5, 0, 0.5), classes=['cup', 'jar'])
    parts = [
        {info['lidar_path'] for info in dataset.load_data_list()}
        for dataset in (
            PointFolder(str(root / 'train'), split, **options)
            for split in ('train', 'test', 'trainval')
        )
    ]
    assert len(parts[2]) == 3
    assert parts[0] | parts[1] == parts[2]
    assert not parts[0] & parts[1]


def test_splits_are_no_classes(root: Path) -> None:
    with pytest.raises(ValueError, match=r"splits, \['test', 'train'\], not"):
        PointFolder(str(root), classes='folders')


def test_meshes(tmp_path: Path) -> None:
    """ModelNet40's layout; the same points whenever they are asked for."""
    for name in ('cup/train/a.off', 'jar/train/b.off', 'jar/test/c.off'):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('OFF3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n')
    pipeline = [dict(type='LoadPointCloud', mesh_points=20)]
    dataset = PointFolder(
        str(tmp_path), 'train', classes='folders', pipeline=pipeline
    )
    assert dataset.metainfo['classes'] == ('cup', 'jar')
    first = dataset[0]['points'].tensor
    assert first.shape == (20, 3)
    assert (first == dataset[0]['points'].tensor).all()
    assert [dataset[i]['gt_label'] for i in (0, 1)] == [0, 1]


def _tables(root: Path) -> None:
    rng = np.random.default_rng(0)
    for index in range(10):
        points = table(rng, 0.5 + index / 10)[:, [1, 2, 0]]
        name = root / ('train', 'test')[index % 2] / f'{index}.npy'
        name.parent.mkdir(exist_ok=True)
        np.save(name, points * 1000)


def test_guesses_are_stated(
    tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    _tables(tmp_path)
    options = dict(up_axis='auto', normalization='auto')
    train = PointFolder(str(tmp_path), 'train', **options)
    assert train.metainfo['up_axis'] == 'y'
    assert train.metainfo['normalization'] == 'none'
    assert set(train.metainfo['guessed']) == {
        'up_axis',
        'normalization',
        'unit',
    }
    assert train.metainfo['unit'] == 'millimetre'
    assert "guessed up_axis='y': 8 of 10 clouds" in logged.text
    assert "guessed unit='millimetre', not sure" in logged.text
    # Both splits are told the same, so that they can be put together.
    test = PointFolder(str(tmp_path), 'test', **options)
    assert test.metainfo == train.metainfo


def test_normalization_of_the_pipeline(tmp_path: Path) -> None:
    _tables(tmp_path)
    dataset = PointFolder(
        str(tmp_path),
        up_axis='y',
        normalization='auto',
        static_pipeline=[*PIPELINE, dict(type='NormalizeToUnitSphere')],
    )
    assert dataset.metainfo['normalization'] == 'unit_sphere'
    assert 'guessed' not in dataset.metainfo


def test_assumptions_are_stated(
    root: Path, logged: pytest.LogCaptureFixture
) -> None:
    PointFolder(str(root), normalization='none')
    assert "assumed, as nothing is stated: {'up_axis': 'y'}" in logged.text
    logged.clear()
    PointFolder(str(root), normalization='none')
    PointFolder(str(root), up_axis='z', normalization='none')
    assert 'assumed' not in logged.text


def test_guess_without_a_readable_cloud(tmp_path: Path) -> None:
    (tmp_path / 'a.npy').write_text('no')
    with pytest.raises(ValueError, match=r"state \['up_axis'\]"):
        PointFolder(str(tmp_path), up_axis='auto')


def test_gltf_says_what_is_up(tmp_path: Path) -> None:
    (tmp_path / 'a.glb').write_text('not looked at')
    dataset = PointFolder(str(tmp_path), up_axis='auto')
    assert dataset.metainfo['up_axis'] == 'y'
    assert 'glTF' in dataset.metainfo['guessed']['up_axis']


def test_twins_are_stated(
    tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    for suffix in ('npy', 'txt'):
        (tmp_path / f'a.{suffix}').write_text('1 2 3')
    PointFolder(str(tmp_path))
    assert '1 of 2 files differ from another in the suffix' in logged.text
    logged.clear()
    assert len(PointFolder(str(tmp_path), suffixes=['.npy'])) == 1
    assert 'suffix' not in logged.text


def test_what_a_pack_depends_on(root: Path) -> None:
    (root / 'train.txt').write_text('train/cup/a.npy\n')
    dataset = PointFolder(str(root), 'trainval', suffixes=('.npy', '.npz'))
    assert dataset.pack_parts() == ('train', 'test')
    assert dataset.list_sources() == [str(root / 'train.txt')]
    assert dataset.list_options() == dict(
        classes=None,
        split_list=None,
        split_ratio=None,
        split_seed=0,
        suffixes=['.npy', '.npz'],
    )
    assert PointFolder(str(root), 'test').pack_parts() == ('test',)
