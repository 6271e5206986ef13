from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets.cloud_folder import CloudFolder


def fill(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == '.npy':
            np.save(path, np.ones((4, 3), np.float32))
        else:
            path.write_text('1 2 3\n')
    return root


def listed(folder: CloudFolder, split: str | None) -> list[tuple]:
    return [
        (Path(e.path).relative_to(folder.root).as_posix(), e.folder, e.label)
        for e in folder.list_entries(split)
    ]


def test_files(tmp_path: Path) -> None:
    fill(tmp_path, 'b.npy', 'a/c.TXT', 'a/d.obj', 'a/d.mtl', 'x.pack')
    fill(tmp_path, '.hidden.npy', '.git/e.npy', 'train.txt', 'splits.csv')
    folder = CloudFolder(str(tmp_path))
    assert folder.find_files() == ['a/c.TXT', 'a/d.obj', 'b.npy']
    assert folder.find_files('a') == ['a/c.TXT', 'a/d.obj']
    assert listed(folder, None) == [
        ('a/c.TXT', 'a', None),
        ('a/d.obj', 'a', None),
        ('b.npy', None, None),
    ]
    meshes = CloudFolder(str(tmp_path), suffixes=['.obj'])
    assert meshes.find_files() == ['a/d.obj']


def test_texts_that_are_no_clouds(tmp_path: Path) -> None:
    """Among many clouds in one folder no text is opened."""
    fill(tmp_path, 'one/1.txt', *(f'many/{i}.txt' for i in range(20)))
    for name in ('names.txt', 'one/license.txt', 'many/a.txt'):
        (tmp_path / name).write_text('chair_0001\n')
    found = CloudFolder(str(tmp_path)).find_files()
    assert len(found) == 22
    assert 'many/a.txt' in found
    assert 'one/1.txt' in found


@pytest.mark.parametrize(
    ('names', 'expected'),
    [
        (('train/cup/a.npy', 'train/b.npy'), [('b', None), ('cup/a', 'cup')]),
        (('cup/train/a.npy', 'jar/train/b.npy'), [('a', 'cup'), ('b', 'jar')]),
        (('train/train/a.npy',), [('train/a', 'train')]),
    ],
)
def test_split_folders(tmp_path: Path, names: tuple, expected: list) -> None:
    fill(tmp_path, *names, 'other/test/z.npy')
    folder = CloudFolder(str(tmp_path))
    entries = folder.list_entries('train')
    assert [e.folder for e in entries] == [label for _, label in expected]
    for entry, (stem, _) in zip(entries, expected, strict=True):
        assert entry.path.endswith(stem + '.npy')
    assert folder.has_split('train')
    assert not folder.has_split('val')
    assert folder.list_sources() == []


def test_list_comes_before_folder(tmp_path: Path) -> None:
    fill(tmp_path, 'train/cup/a.npy', 'train/cup/b.npy')
    (tmp_path / 'train.txt').write_text('train/cup/b.npy 7\n')
    folder = CloudFolder(str(tmp_path))
    assert listed(folder, 'train') == [('train/cup/b.npy', 'cup', '7')]
    assert folder.list_sources() == [str(tmp_path / 'train.txt')]


def test_common_list(tmp_path: Path) -> None:
    fill(tmp_path, 'a.npy', 'b.npy')
    content = dict(train=['b.npy'], test=['a.npy'])
    (tmp_path / 'splits.json').write_text(json.dumps(content))
    folder = CloudFolder(str(tmp_path))
    assert listed(folder, 'train') == [('b.npy', None, None)]
    assert listed(folder, 'test') == [('a.npy', None, None)]
    assert listed(folder, 'val') == []
    assert len(folder.list_sources()) == 1


def test_named_lists_of_stems(tmp_path: Path) -> None:
    """As ModelNet40's: names without folder and suffix."""
    fill(tmp_path, 'cup/cup_1.txt', 'jar/jar_1.npy', 'x/a.npy', 'y/a.npy')
    meta = tmp_path / 'meta'
    meta.mkdir()
    (meta / 'set_test.txt').write_text('jar_1\ncup/cup_1\nb\n')
    (meta / 'set_twin.txt').write_text('jar_1\na\n')
    folder = CloudFolder(str(tmp_path), split_list='meta/set_{split}.txt')
    assert listed(folder, 'test') == [
        ('jar/jar_1.npy', 'jar', None),
        ('cup/cup_1.txt', 'cup', None),
        ('b', None, None),
    ]
    with pytest.raises(ValueError, match=r"a in .* any of \['x/a.npy', 'y/a"):
        listed(folder, 'twin')
    assert not folder.has_split('train')
    assert listed(folder, 'train') == []
    assert 'meta/set_test.txt' not in folder.find_files()


def test_one_list_without_splits(tmp_path: Path) -> None:
    fill(tmp_path, 'a.npy', 'b.npy')
    (tmp_path / 'all.csv').write_text('a.npy,cup\n')
    folder = CloudFolder(str(tmp_path), split_list='all.csv')
    assert listed(folder, None) == [('a.npy', None, 'cup')]
    with pytest.raises(ValueError, match="which files belong to 'train'"):
        folder.list_entries('train')


def test_ratio(tmp_path: Path) -> None:
    fill(tmp_path, *(f'{c}/{i}.npy' for c in 'ab' for i in range(10)))
    options = dict(split_ratio=(0.8, 0, 0.2), split_seed=1)
    folder = CloudFolder(str(tmp_path), **options)
    parts = {s: listed(folder, s) for s in ('train', 'val', 'test')}
    assert [len(part) for part in parts.values()] == [16, 0, 4]
    assert not set(parts['train']) & set(parts['test'])
    assert sorted(label for _, label, _ in parts['test']) == [
        'a',
        'a',
        'b',
        'b',
    ]
    again = CloudFolder(str(tmp_path), **options)
    assert listed(again, 'test') == parts['test']
    (tmp_path / 'test').mkdir()
    with pytest.raises(ValueError, match=r"is divided into \['test'\]"):
        folder.list_entries('train')


@pytest.mark.parametrize(
    ('options', 'fault'),
    [
        (dict(suffixes=['.bin']), r'suffixes must be some of .*\.bin'),
        (dict(suffixes='.npy'), 'suffixes must be some of'),
        (dict(split_ratio=(1, 1, 1)), 'shares of train'),
        (dict(split_ratio=(1, 0, 0), split_list='a'), 'got both'),
    ],
)
def test_bad_options(tmp_path: Path, options: dict, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        CloudFolder(str(tmp_path), **options)
