from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets.split_lists import (
    ListEntry,
    draw_splits,
    read_list,
    sort_labels,
)


def entries(tmp_path: Path, name: str, content: object) -> list[ListEntry]:
    path = tmp_path / name
    if not isinstance(content, str):
        content = json.dumps(content)
    path.write_text(content)
    return read_list(str(path))


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
    assert found == [ListEntry(path, label), ListEntry('b.npy')]


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('a.npy,cup\nb.npy,jar\n', [('a.npy', 'cup'), ('b.npy', 'jar')]),
        ('a.npy\n\nb.npy\n', [('a.npy',), ('b.npy',)]),
        (
            'id, Class ,file,split\n1,cup,"a,1.npy",test\n2,,b.npy,\n',
            [('a,1.npy', 'cup', 'test'), ('b.npy',)],
        ),
    ],
)
def test_csv(tmp_path: Path, text: str, expected: list) -> None:
    found = entries(tmp_path, 'l.csv', text)
    assert found == [ListEntry(*e) for e in expected]


@pytest.mark.parametrize(
    ('content', 'expected'),
    [
        (['a.npy', ['b.npy', 0]], [('a.npy',), ('b.npy', '0')]),
        (
            [dict(path='a.npy', label=0, split='val')],
            [('a.npy', '0', 'val')],
        ),
        (
            dict(train=['a.npy'], test=[dict(file='b.npy')]),
            [('a.npy', None, 'train'), ('b.npy', None, 'test')],
        ),
    ],
)
def test_json(tmp_path: Path, content: object, expected: list) -> None:
    found = entries(tmp_path, 'l.json', content)
    assert found == [ListEntry(*e) for e in expected]


@pytest.mark.parametrize(
    ('name', 'content', 'fault'),
    [
        ('l.yaml', 'a.npy', 'ends in one of'),
        ('l.json', '{', r'l\.json: .* unreadable'),
        ('l.json', '3', 'got int'),
        ('l.json', [3], 'got 3'),
        ('l.json', [dict(name='a')], 'expected one of .* in each entry'),
        ('l.csv', 'path,label\n,3\n', 'expected one of .* in each entry'),
    ],
)
def test_bad_lists(
    tmp_path: Path, name: str, content: object, fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        entries(tmp_path, name, content)


def test_binary_list(tmp_path: Path) -> None:
    (tmp_path / 'l.txt').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(ValueError, match=r'l\.txt: .* unreadable'):
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


@pytest.mark.parametrize(
    'ratio', [(0.8, 0.2), (0.8, 0.3, 0.1), (1.5, -0.5, 0)]
)
def test_bad_ratio(ratio: tuple) -> None:
    with pytest.raises(ValueError, match='shares of train, val and test'):
        draw_splits(GROUPS, ratio, 0)
