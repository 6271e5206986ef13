from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets import BadSampleError
from tests.raw_rooms import write_raw

from .loading import load_tool

raw_rooms = load_tool('dataset_converters.s3dis_raw')


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Stanford's folder with three rooms."""
    return write_raw(tmp_path)


@pytest.mark.parametrize('around', [False, True])
def test_rooms_are_found(raw: Path, around: bool) -> None:
    rooms = raw_rooms.list_raw_rooms(raw.parent if around else raw)
    assert [room.name for room in rooms] == [
        'Area_1_WC_1',
        'Area_1_office_2',
        'Area_5_hallway_6',
    ]
    assert rooms[2].folder == raw / 'Area_5' / 'hallway_6'


def test_rooms_that_are_not_there(tmp_path: Path, raw: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'found no room in .*/none'):
        raw_rooms.list_raw_rooms(tmp_path / 'none')
    (raw / 'Area_1' / 'lobby_1').mkdir()
    with pytest.raises(FileNotFoundError, match='lobby_1 has no folder Anno'):
        raw_rooms.list_raw_rooms(raw)


def test_room(raw: Path) -> None:
    """Objects by name, labels by their names, from the corner on."""
    rows, report = raw_rooms.read_raw_room(raw_rooms.list_raw_rooms(raw)[1])
    folder = raw / 'Area_1' / 'office_2' / 'Annotations'
    names = ['chair_1', 'floor_1', 'stairs_1', 'wall_3']
    parts = [np.loadtxt(folder / f'{name}.txt') for name in names]
    whole = np.concatenate(parts)
    lowest = whole[:, :3].min(0)
    assert (lowest != 0).all()
    np.testing.assert_allclose(rows[:, :3], whole[:, :3] - lowest)
    np.testing.assert_array_equal(rows[:, 3:6], whole[:, 3:])
    assert rows.dtype == np.float64
    assert rows[:, 6].tolist() == [
        label
        for label, part in zip((8, 1, 12, 2), parts, strict=True)
        for _ in part
    ]
    assert report['repairs'] == []
    assert report['copies'] == ['Annotations/wall_3 (1).txt']


def test_known_bad_row(raw: Path) -> None:
    """As in row 180389 of Area_5/hallway_6/Annotations/ceiling_1.txt."""
    rows, report = raw_rooms.read_raw_room(raw_rooms.list_raw_rooms(raw)[2])
    (repair,) = report['repairs']
    assert repair['file'] == 'Annotations/ceiling_1.txt'
    assert repair['line'] == 4
    assert repair['before'] == r'22.350 6.692 3.048 185\x00187 182'
    assert repair['after'] == '22.350 6.692 3.048 185 187 182'
    mended = rows[(rows[:, 3:6] == [185, 187, 182]).all(1)]
    assert len(mended) == 1
    assert mended[0, 6] == 0
    lines = (raw / 'Area_5/hallway_6/Annotations/ceiling_1.txt').read_bytes()
    assert (rows[:, 6] == 0).sum() == lines.count(b'\n')


@pytest.mark.parametrize(
    ('row', 'mended'),
    [
        ('19.3 -9.1\x160 1.7 146 137 106', [19.3, -9.16, 1.7, 146, 137, 106]),
        (
            '0.5 -12.4 2.6 167.\x100 175.0 177.0',
            [0.5, -12.4, 2.6, 167, 175, 177],
        ),
        ('1.0 2.0 3.\xb25 4 5 6', [1, 2, 3.25, 4, 5, 6]),
    ],
)
def test_mending(tmp_path: Path, row: str, mended: list) -> None:
    path = tmp_path / 'chair_1.txt'
    path.write_bytes(f'1 2 3 4 5 6\r\n\r\n{row}\r\n'.encode('latin-1'))
    table, (repair,) = raw_rooms.read_object(path)
    assert table.tolist() == [[1, 2, 3, 4, 5, 6], mended]
    assert repair['line'] == 3


@pytest.mark.parametrize(
    'row',
    [
        '1 2 3',
        '1 2 3 4 5 300',
        '1 2 3 4 5 -1',
        '1 2 inf 4 5 6',
        '1 2 3 4 5 6 7',
        'x y z r g b',
    ],
)
def test_rows_that_are_none(tmp_path: Path, row: str) -> None:
    path = tmp_path / 'chair_1.txt'
    for text in (f'1 2 3 4 5 6\n{row}\n', f'{row}\n'):
        path.write_text(text)
        with pytest.raises(BadSampleError, match=r'chair_1\.txt: '):
            raw_rooms.read_object(path)


def test_empty_files_and_rooms(tmp_path: Path) -> None:
    folder = tmp_path / 'office_1' / 'Annotations'
    folder.mkdir(parents=True)
    (folder / 'chair_1.txt').write_text('')
    (folder / '._chair_1.txt').write_bytes(b'\x00\x05\x16\x07')
    table, repairs = raw_rooms.read_object(folder / 'chair_1.txt')
    assert (table.shape, repairs) == ((0, 6), [])
    with pytest.raises(BadSampleError, match='Annotations: empty'):
        raw_rooms.read_raw_room(
            raw_rooms.RawRoom('Area_1_office_1', tmp_path / 'office_1')
        )
