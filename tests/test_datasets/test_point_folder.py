from __future__ import annotations

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
    names = 'train/cup/a train/cup/b test/cup/c test/bowl/d train/jar/e'
    for value, name in enumerate(names.split()):
        path = tmp_path / f'{name}.npy'
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.full((4, 3), value, np.float32))
    (tmp_path / 'train' / 'cup' / 'readme.md').touch()
    return tmp_path


def _seen(dataset: PointFolder) -> list[tuple]:
    samples = [dataset[i] for i in range(len(dataset))]
    return [
        (s['points'].tensor[0, 0].item(), s['split'], s.get('gt_label'))
        for s in samples
    ]


def test_classes_agree_between_splits(root: Path) -> None:
    train, test, both = (
        PointFolder(str(root), split, classes='folders', pipeline=PIPELINE)
        for split in ('train', 'test', 'trainval')
    )
    assert train.metainfo['classes'] == ('bowl', 'cup', 'jar')
    assert _seen(train) == [(0, 'train', 1), (1, 'train', 1), (4, 'train', 2)]
    assert _seen(test) == [(3, 'test', 0), (2, 'test', 1)]
    assert _seen(both) == _seen(train) + _seen(test)
    assert test.metainfo == both.metainfo == train.metainfo


@pytest.mark.parametrize(
    'named',
    [
        dict(classes=['jar', 'cup']),
        dict(metainfo=dict(classes=['jar', 'cup'])),
    ],
)
def test_named_classes(root: Path, named: dict) -> None:
    dataset = PointFolder(str(root), 'train', pipeline=PIPELINE, **named)
    assert dataset.metainfo['classes'] == ('jar', 'cup')
    assert [label for _, _, label in _seen(dataset)] == [1, 1, 0]
    assert dataset.get_data_info(0)['category'] == 'cup'


def test_what_a_folder_leaves_out_is_said(
    tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    for name in ('a.pt', 'b.pt', 'c.jpg'):
        (tmp_path / name).touch()
    text = r'no clouds; it has 2 \.pt, 1 \.jpg, .* read is \.npy'
    with pytest.raises(FileNotFoundError, match=text):
        PointFolder(str(tmp_path), split='train', split_ratio='auto')
    np.save(tmp_path / 'd.npy', np.zeros((4, 3)))
    assert len(PointFolder(str(tmp_path))) == 1
    assert '1 clouds; left out, as no clouds: 2 .pt, 1 .jpg' in logged.text


def test_what_is_no_folder_of_a_class_is_named(root: Path) -> None:
    np.save(root / 'train' / 'f.npy', np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r'f\.npy lies in no sub-folder'):
        PointFolder(str(root), 'train', classes='folders')
    gone = dict(data_root=str(root / 'gone'), classes='folders')
    (first,), (second,) = (
        PointFolder.check_requirements(gone | dict(split=split))
        for split in ('train', 'test')
    )
    assert first == second
    assert 'does not exist, at' in first


def test_labels_from_lists(root: Path) -> None:
    (root / 'train.csv').write_text(
        'path,label\ntrain/jar/e.npy,big\ntrain/cup/a.npy,small\n'
    )
    (root / 'test.csv').write_text('path,label\ntest/cup/c.npy,huge\n')
    options = dict(classes='lists', pipeline=PIPELINE)
    dataset = PointFolder(str(root), 'train', **options)
    assert dataset.metainfo['classes'] == ('big', 'huge', 'small')
    assert _seen(dataset) == [(4, 'train', 0), (0, 'train', 2)]
    assert _seen(PointFolder(str(root), 'test', **options)) == [(2, 'test', 1)]
    options['classes'] = ['small', 'big']
    dataset = PointFolder(str(root), 'train', **options)
    assert [label for _, _, label in _seen(dataset)] == [1, 0]
    with pytest.raises(ValueError, match=r"'huge'.*small"):
        PointFolder(str(root), 'test', **options)
    (root / 'train.csv').write_text('train/cup/a.npy,1\ntrain/jar/e.npy,0\n')
    dataset = PointFolder(str(root), 'train', **options)
    assert [label for _, _, label in _seen(dataset)] == [1, 0]


def test_what_is_missing(root: Path) -> None:
    def problem(**options: object) -> str:
        cfg = dict(type='PointFolder', data_root=str(root), split='train')
        return ''.join(PointFolder.check_requirements(cfg | options))

    assert problem(split='test') == ''
    assert str(root / 'val') in problem(split='val')
    assert f'{root}/none' in problem(split=None, data_root=f'{root}/none')
    assert 'l_train.txt' in problem(split_list='l_{split}.txt')
    (root / 'train.txt').write_text('train/cup/a.npy\ntrain/cup/no.npy\n')
    assert '1 of 2 listed files' in problem()
    assert 'no.npy' in problem()
    assert problem(on_error='skip') == ''


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
    options = dict(up_axis='auto', normalization='none')
    train = PointFolder(str(tmp_path), 'train', **options)
    assert train.metainfo['up_axis'] == 'y'
    assert set(train.guesses) == {'up_axis'}
    assert "guessed up_axis='y': 8 of 10 clouds" in logged.text
    # Both splits are told the same, so that they can be put together.
    test = PointFolder(str(tmp_path), 'test', **options)
    assert test.metainfo == train.metainfo


def test_guesses_without_a_cloud(tmp_path: Path) -> None:
    """Files of glTF say what is up; others have to be readable."""
    (tmp_path / 'a.glb').write_text('not looked at')
    dataset = PointFolder(str(tmp_path), up_axis='auto')
    assert dataset.metainfo['up_axis'] == 'y'
    (tmp_path / 'b.npy').write_text('no')
    text = r'none of the 2 files .*up_axis(.*\n)*.*b\.npy: unreadable'
    with pytest.raises(ValueError, match=text):
        PointFolder(str(tmp_path), up_axis='auto')


@pytest.mark.parametrize(
    ('options', 'offender'),
    [
        (dict(classes='cup'), "'cup'"),
        (dict(classes=['cup', 'jra']), 'jar'),
        (dict(classes='folders', split=None), r"\['test', 'train'\]"),
        (dict(split='Train'), "'Train'; did you mean 'train'"),
        (dict(suffixes=['.bin']), r"'\.bin'"),
    ],
)
def test_wrong_options(root: Path, options: dict, offender: str) -> None:
    with pytest.raises(ValueError, match=offender):
        PointFolder(str(root), **dict(split='train') | options)


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
    for name in ('names.txt', 'a/license.txt'):
        (tmp_path / name).write_text('chair_0001\n')
    names = [name for name, _ in listed(tmp_path)]
    assert names == ['a/c.TXT', 'a/d.obj', 'b.npy']
    assert listed(tmp_path, suffixes=['.obj']) == [('a/d.obj', None)]


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
    """A list comes before the folder."""
    fill(tmp_path, 'a.npy', 'b.npy', 'train/c.npy')
    rows = 'path,split\nb.npy,train\na.npy,test\n'
    (tmp_path / 'splits.csv').write_text(rows)
    assert listed(tmp_path, 'train') == [('b.npy', None)]
    assert listed(tmp_path, 'test') == [('a.npy', None)]
    assert len(listed(tmp_path, 'trainval')) == 2
    with pytest.raises(ValueError, match='found no sample'):
        listed(tmp_path, 'val')


def test_named_lists_of_stems(tmp_path: Path) -> None:
    """As ModelNet40's: names without folder and suffix."""
    fill(tmp_path, 'cup/cup_1.txt', 'jar/jar_1.npy', 'x/a.npy', 'y/a.npy')
    # Which one is unclear.
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
    names = [name for name, _ in listed(tmp_path, 'val', **options)]
    assert names == ['jar/jar_1.npy', 'a']
    with pytest.raises(FileNotFoundError, match=r'set_train\.txt'):
        listed(tmp_path, 'train', **options)


def _entries(path: Path, content: str | bytes) -> list[tuple]:
    if isinstance(content, str):
        content = content.encode('utf-8-sig')
    path.write_bytes(content)
    return [(e.path, e.label, e.split) for e in read_list(str(path))]


@pytest.mark.parametrize(
    ('name', 'content', 'expected'),
    [
        ('txt', '# list\n\ncup/a.npy\n', ('cup/a.npy', None, None)),
        ('txt', ' my scan 1.ply\n', ('my scan 1.ply', None, None)),
        ('txt', 'my scan.PLY  big cup', ('my scan.PLY', 'big cup', None)),
        ('txt', 'a.npy,3', ('a.npy', '3', None)),
        ('txt', 'a.npy.txt 3', ('a.npy.txt', '3', None)),
        ('txt', 'plane_01', ('plane_01', None, None)),
        ('txt', 'plane_01\tplane', ('plane_01', 'plane', None)),
        ('csv', 'a.npy,cup\n\nb.npy,jar\n', ('a.npy', 'cup', None)),
        ('csv', 'path;label\na.npy;cup\n', ('a.npy', 'cup', None)),
        (
            'csv',
            'id, Label ,path,split\n1,cup,"a,1.npy",test\n',
            ('a,1.npy', 'cup', 'test'),
        ),
        ('csv', 'label,path\n,b.npy\n', ('b.npy', None, None)),
    ],
)
def test_lists(
    tmp_path: Path, name: str, content: str, expected: tuple
) -> None:
    assert _entries(tmp_path / f'l.{name}', content)[0] == expected


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        ('csv', 'path,label\n,3\n'),
        ('txt', b'\xff\xfe\x00'),
    ],
)
def test_bad_lists(tmp_path: Path, name: str, content: str | bytes) -> None:
    with pytest.raises(ValueError, match=rf'l\.{name}: .*a list of files'):
        _entries(tmp_path / f'l.{name}', content)


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
    with pytest.raises(ValueError, match=r'0\.15\)'):
        draw_splits(GROUPS, (0.8, 0.1, 0.15), 0)


def test_the_draw_depends_on_seed_and_names_only() -> None:
    first = draw_splits(GROUPS, (0.5, 0, 0.5), 0)
    shuffled = [list(reversed(group)) for group in GROUPS]
    assert draw_splits(shuffled, (0.5, 0, 0.5), 0) == first
    assert draw_splits(GROUPS, (0.5, 0, 0.5), 1) != first
    assert first['val'] == []
    # Classes of a single file are divided fairly too.
    single = draw_splits([[str(i)] for i in range(50)], (0.8, 0, 0.2), 0)
    assert (len(single['train']), len(single['test'])) == (40, 10)
    assert single['test'] != [str(i) for i in range(40, 50)]
