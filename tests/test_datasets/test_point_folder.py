from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets import PointFolder
from mmdet3d_act.datasets.point_folder import (
    draw_splits,
    read_list,
    sort_labels,
)
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


def test_classes_of_the_meta_information(root: Path) -> None:
    metainfo = dict(classes=['jar', 'cup'])
    dataset = PointFolder(
        str(root), 'train', metainfo=metainfo, pipeline=PIPELINE
    )
    assert dataset.metainfo['classes'] == ('jar', 'cup')
    assert [label for _, _, label in _seen(dataset)] == [1, 1, 0]


def test_requirements(root: Path) -> None:
    cfg = dict(type='PointFolder', data_root=str(root), classes='folders')
    assert PointFolder.check_requirements(cfg | dict(split='test')) == []
    (text,) = PointFolder.check_requirements(cfg | dict(split='val'))
    assert str(root / 'val') in text
    cfg['data_root'] = str(root / 'none')
    (text,) = PointFolder.check_requirements(cfg)
    assert str(root / 'none') in text
    assert 'ACT_DATA_ROOT' in text


def test_what_a_folder_leaves_out_is_said(
    tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    for name in ('a.pt', 'b.pt', 'c.jpg'):
        (tmp_path / name).touch()
    text = r'found no sample .* it has 2 \.pt, 1 \.jpg, .* read is \.npy'
    with pytest.raises(ValueError, match=text):
        PointFolder(str(tmp_path))
    np.save(tmp_path / 'd.npy', np.zeros((4, 3)))
    assert len(PointFolder(str(tmp_path))) == 1
    assert '1 clouds; left out, as no clouds: 2 .pt, 1 .jpg' in logged.text


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
    with pytest.raises(
        ValueError, match=r"label in its list is 'huge'.*small"
    ):
        PointFolder(str(root), 'test', **options)


def test_numbers_as_labels(root: Path) -> None:
    (root / 'train.txt').write_text('train/cup/a.npy 1\ntrain/jar/e.npy 0\n')
    dataset = PointFolder(str(root), 'train', classes=['jar', 'cup'])
    assert [dataset.get_data_info(i)['category'] for i in (0, 1)] == [
        'cup',
        'jar',
    ]
    (root / 'train.txt').write_text('train/cup/a.npy\n')
    with pytest.raises(ValueError, match='label in its list is None'):
        PointFolder(str(root), 'train', classes='lists')


def test_listed_file_that_is_missing(root: Path) -> None:
    (root / 'train.txt').write_text('train/cup/a.npy\ntrain/cup/no.npy\n')
    with pytest.raises(FileNotFoundError, match=r'1 of 2 listed.*no\.npy'):
        PointFolder(str(root), 'train')
    assert len(PointFolder(str(root), 'train', on_error='skip')) == 2
    with pytest.raises(FileNotFoundError, match=r'a list at .*l_train\.txt'):
        PointFolder(str(root), 'train', split_list='l_{split}.txt')


def test_splits_are_no_classes(root: Path) -> None:
    with pytest.raises(ValueError, match=r"splits, \['test', 'train'\], not"):
        PointFolder(str(root), classes='folders')


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
    assert set(train.guesses) == {'up_axis', 'normalization', 'unit'}
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
    assert dataset.guesses == {}


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
    for name in 'abcd':
        (tmp_path / f'{name}.npy').write_text('no')
    text = r"none of the 4 files .*'up_axis'\](.*\n)*.*c\.npy: unreadable"
    with pytest.raises(ValueError, match=text):
        PointFolder(str(tmp_path), up_axis='auto')


def test_gltf_says_what_is_up(tmp_path: Path) -> None:
    (tmp_path / 'a.glb').write_text('not looked at')
    dataset = PointFolder(str(tmp_path), up_axis='auto')
    assert dataset.metainfo['up_axis'] == 'y'
    assert 'glTF' in dataset.guesses['up_axis'][1]


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
    assert PointFolder(str(root), 'test').pack_parts() == ('test',)


@pytest.mark.parametrize(
    ('options', 'offender'),
    [
        (dict(classes='cup'), "'cup'"),
        (dict(classes=['cup', 'jra']), 'jar'),
        (dict(split='Train'), "'Train'; did you mean 'train'"),
        (dict(suffixes=['.bin']), r"'\.bin'"),
        (dict(split_ratio=(1, 1, 1)), r'\(1, 1, 1\)'),
        (dict(split_ratio=(1, 0, 0), split_list='a'), 'split_ratio'),
        (dict(split_ratio=(1, 0, 0)), r"\['train', 'test'\]"),
    ],
)
def test_wrong_options(root: Path, options: dict, offender: str) -> None:
    options = dict(split='train') | options
    if 'split_ratio' in options and 1 in options['split_ratio'][1:]:
        root = root / 'train'
    with pytest.raises(ValueError, match=offender):
        PointFolder(str(root), **options)


# Files, lists and splits.


def fill(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == '.npy':
            np.save(path, np.ones((4, 3), np.float32))
        else:
            path.write_text('1 2 3\n')
    return root


def listed(
    root: Path, split: str | None = None, **options: object
) -> list[tuple]:
    """Return path and category of the samples of a split."""
    dataset = PointFolder(str(root), split, on_error='skip', **options)
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    return [
        (
            Path(info['lidar_path']).relative_to(root).as_posix(),
            info.get('category'),
        )
        for info in infos
    ]


def test_files(tmp_path: Path) -> None:
    fill(tmp_path, 'b.npy', 'a/c.TXT', 'a/d.obj', 'a/d.mtl', 'x.pack/p.npy')
    fill(tmp_path, '.hidden.npy', '.git/e.npy', 'train.txt', 'splits.csv')
    names = [name for name, _ in listed(tmp_path)]
    assert names == ['a/c.TXT', 'a/d.obj', 'b.npy']
    assert listed(tmp_path, suffixes=['.obj']) == [('a/d.obj', None)]


def test_texts_that_are_no_clouds(tmp_path: Path) -> None:
    """Among many clouds in one folder no text is opened."""
    fill(tmp_path, 'one/1.txt', *(f'many/{i}.txt' for i in range(20)))
    for name in ('names.txt', 'one/license.txt', 'many/a.txt'):
        (tmp_path / name).write_text('chair_0001\n')
    found = [name for name, _ in listed(tmp_path)]
    assert len(found) == 22
    assert 'many/a.txt' in found
    assert 'one/1.txt' in found


@pytest.mark.parametrize(
    ('names', 'expected'),
    [
        (('train/cup/a.npy', 'train/jar/b.npy'), ['cup', 'jar']),
        (('cup/train/a.npy', 'jar/train/b.npy'), ['cup', 'jar']),
        (('train/train/a.npy',), ['train']),
    ],
)
def test_split_folders(tmp_path: Path, names: tuple, expected: list) -> None:
    fill(tmp_path, *names, 'other/test/z.npy')
    found = listed(tmp_path, 'train', classes='folders')
    assert found == list(zip(names, expected, strict=True))


def test_list_comes_before_folder(tmp_path: Path) -> None:
    fill(tmp_path, 'train/cup/a.npy', 'train/cup/b.npy')
    (tmp_path / 'train.txt').write_text('train/cup/b.npy 7\n')
    found = listed(tmp_path, 'train', classes='lists')
    assert found == [('train/cup/b.npy', '7')]


def test_lists_of_absolute_paths(tmp_path: Path) -> None:
    """Their classes are the folders, in data_root and elsewhere."""
    fill(tmp_path, 'data/cup/a.npy', 'data/cup/c.npy', 'other/jar/b.npy')
    paths = [tmp_path / 'other/jar/b.npy', tmp_path / 'data/cup/a.npy']
    lines = '\n'.join([*map(str, paths), str(tmp_path / 'data/cup/c')])
    (tmp_path / 'data' / 'train.txt').write_text(lines)
    dataset = PointFolder(str(tmp_path / 'data'), 'train', classes='folders')
    assert dataset.metainfo['classes'] == ('cup', 'jar')
    infos = [dataset.get_data_info(i) for i in range(3)]
    assert [info['gt_label'] for info in infos] == [1, 0, 0]
    assert [info['lidar_path'] for info in infos[:2]] == [*map(str, paths)]


def test_common_list(tmp_path: Path) -> None:
    fill(tmp_path, 'a.npy', 'b.npy')
    content = dict(train=['b.npy'], test=['a.npy'])
    (tmp_path / 'splits.json').write_text(json.dumps(content))
    assert listed(tmp_path, 'train') == [('b.npy', None)]
    assert listed(tmp_path, 'test') == [('a.npy', None)]
    with pytest.raises(ValueError, match='found no sample'):
        listed(tmp_path, 'val')


def test_named_lists_of_stems(tmp_path: Path) -> None:
    """As ModelNet40's: names without folder and suffix."""
    fill(tmp_path, 'cup/cup_1.txt', 'jar/jar_1.npy', 'x/a.npy', 'y/a.npy')
    meta = tmp_path / 'meta'
    meta.mkdir()
    (meta / 'set_test.txt').write_text('jar_1\ncup/cup_1\nb\n')
    (meta / 'set_val.txt').write_text('jar_1\na\n')
    options = dict(split_list='meta/set_{split}.txt')
    assert [name for name, _ in listed(tmp_path, 'test', **options)] == [
        'jar/jar_1.npy',
        'cup/cup_1.txt',
        'b',
    ]
    with pytest.raises(ValueError, match=r"a in .* any of \['x/a.npy', 'y/a"):
        listed(tmp_path, 'val', **options)
    with pytest.raises(FileNotFoundError, match=r'set_train\.txt'):
        listed(tmp_path, 'train', **options)


def test_one_list_without_splits(tmp_path: Path) -> None:
    fill(tmp_path, 'a.npy', 'b.npy')
    (tmp_path / 'all.csv').write_text('a.npy,cup\n')
    options = dict(split_list='all.csv', classes='lists')
    assert listed(tmp_path, **options) == [('a.npy', 'cup')]
    with pytest.raises(ValueError, match="which files belong to 'train'"):
        listed(tmp_path, 'train', **options)


def test_ratio(tmp_path: Path) -> None:
    fill(tmp_path, *(f'{c}/{i}.npy' for c in 'ab' for i in range(10)))
    options = dict(split_ratio=(0.8, 0, 0.2), split_seed=1, classes='folders')
    train, test = (listed(tmp_path, s, **options) for s in ('train', 'test'))
    assert (len(train), len(test)) == (16, 4)
    assert not set(train) & set(test)
    assert Counter(name for _, name in test) == dict(a=2, b=2)
    assert listed(tmp_path, 'test', **options) == test


def entries(tmp_path: Path, name: str, content: object) -> list[tuple]:
    path = tmp_path / name
    if not isinstance(content, str):
        content = json.dumps(content)
    path.write_text(content, encoding='utf-8-sig')
    return [(e.path, e.label, e.split) for e in read_list(str(path))]


@pytest.mark.parametrize(
    ('line', 'path', 'label'),
    [
        ('cup/a.npy', 'cup/a.npy', None),
        ('my scan 1.ply', 'my scan 1.ply', None),
        ('my scan 1.PLY  big chair', 'my scan 1.PLY', 'big chair'),
        ('a.npy,3', 'a.npy', '3'),
        ('a.npy.txt 3', 'a.npy.txt', '3'),
        ('airplane_0001', 'airplane_0001', None),
        ('airplane_0001\tairplane', 'airplane_0001', 'airplane'),
    ],
)
def test_text(tmp_path: Path, line: str, path: str, label: str | None) -> None:
    found = entries(tmp_path, 'l.txt', f'# list\n\n{line}\n b.npy \n')
    assert found == [(path, label, None), ('b.npy', None, None)]


@pytest.mark.parametrize(
    ('name', 'content', 'expected'),
    [
        ('l.csv', 'a.npy,cup\n\nb.npy,jar\n', [('a.npy', 'cup', None)]),
        ('l.csv', 'path;label\na.npy;cup\nb,jar', [('a.npy', 'cup', None)]),
        (
            'l.csv',
            'id, Class ,file,split\n1,cup,"a,1.npy",test\n2,,b.npy,\n',
            [('a,1.npy', 'cup', 'test'), ('b.npy', None, None)],
        ),
        ('l.json', ['a.npy', ['b', 0]], [('a.npy', None, None)]),
        ('l.json', [['b.npy', 0]], [('b.npy', '0', None)]),
        (
            'l.json',
            [dict(path='a.npy', label=0, split='val')],
            [('a.npy', '0', 'val')],
        ),
        (
            'l.json',
            dict(train=['a.npy'], test=[dict(file='b.npy')]),
            [('a.npy', None, 'train'), ('b.npy', None, 'test')],
        ),
    ],
)
def test_tables(
    tmp_path: Path, name: str, content: object, expected: list
) -> None:
    assert entries(tmp_path, name, content)[: len(expected)] == expected


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        ('l.json', '{'),
        ('l.json', '3'),
        ('l.json', [3]),
        ('l.json', [dict(name='a')]),
        ('l.csv', 'path,label\n,3\n'),
    ],
)
def test_bad_lists(tmp_path: Path, name: str, content: object) -> None:
    with pytest.raises(ValueError, match=f'{name}: expected a list of files'):
        entries(tmp_path, name, content)


def test_binary_list(tmp_path: Path) -> None:
    (tmp_path / 'l.txt').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(ValueError, match=r'l\.txt: expected a list'):
        read_list(str(tmp_path / 'l.txt'))


def test_sort_labels() -> None:
    assert sort_labels({'10', '9', '0'}) == ['0', '9', '10']
    assert sort_labels({'b', '10', 'a'}) == ['10', 'a', 'b']


GROUPS = [[f'{g}/{i}' for i in range(n)] for g, n in enumerate((40, 10, 1, 1))]


def test_draw_splits() -> None:
    parts = draw_splits(GROUPS, (0.7, 0.1, 0.2), 3)
    names = [name for part in parts.values() for name in part]
    assert sorted(names) == sorted(n for group in GROUPS for n in group)
    sizes = [len(part) for part in parts.values()]
    np.testing.assert_allclose(sizes, np.array([0.7, 0.1, 0.2]) * 52, atol=1)
    of_first = [sum(n[0] == '0' for n in part) for part in parts.values()]
    np.testing.assert_allclose(of_first, [28, 4, 8], atol=2)


def test_the_draw_depends_on_seed_and_names_only() -> None:
    first = draw_splits(GROUPS, (0.5, 0, 0.5), 0)
    shuffled = [list(reversed(group)) for group in GROUPS]
    assert draw_splits(shuffled, (0.5, 0, 0.5), 0) == first
    assert draw_splits(GROUPS, (0.5, 0, 0.5), 1) != first
    assert first['val'] == []


def test_single_files_are_divided_fairly() -> None:
    groups = [[str(i)] for i in range(50)]
    parts = draw_splits(groups, (0.8, 0.0, 0.2), 0)
    assert (len(parts['train']), len(parts['test'])) == (40, 10)
    assert parts['test'] != [str(i) for i in range(40, 50)]
