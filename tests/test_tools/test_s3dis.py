from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.raw_rooms import write_raw

from .loading import load_tool

tool = load_tool('dataset_converters.s3dis')
raw_rooms = load_tool('dataset_converters.s3dis_raw')

NAMES = ['Area_1_WC_1', 'Area_1_office_2', 'Area_5_hallway_6']


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Stanford's folder with three rooms."""
    return write_raw(tmp_path)


def _main(raw: Path, out: Path, *options: str) -> int:
    return tool.main([str(raw), str(out), *options])


def _times(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in out.glob('*.npy')}


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
def test_rooms_and_report(
    tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture, dtype: str
) -> None:
    out = tmp_path / 'data' / 's3dis'
    assert _main(raw, out, '--dtype', dtype) == 0
    printed = capsys.readouterr().out
    assert 'Area_5_hallway_6/Annotations/ceiling_1.txt row 4: ' in printed
    assert r"185\x00187 182' -> '22.350 6.692" in printed
    assert 'Area_1_office_2/Annotations/wall_3 (1).txt: left out' in printed
    assert 'bad rows: 1, files left out as copies: 1; see' in printed
    assert sorted(path.stem for path in out.glob('*.npy')) == NAMES
    report = json.loads((out / tool.REPORT).read_text())['rooms']
    assert list(report) == NAMES
    total = 0
    for room in raw_rooms.list_raw_rooms(raw):
        rows = np.load(out / f'{room.name}.npy')
        expected, _ = raw_rooms.read_raw_room(room)
        assert rows.dtype == dtype
        np.testing.assert_array_equal(rows, expected.astype(dtype))
        assert report[room.name]['num_points'] == len(rows)
        assert sum(report[room.name]['label_counts'].values()) == len(rows)
        total += len(rows)
    assert f'3 rooms, {total} points' in printed
    assert report['Area_5_hallway_6']['label_counts']['ceiling'] == 7


def test_interrupted_call_goes_on(
    tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture
) -> None:
    """A room with a row that nobody can mend stops the call."""
    out = tmp_path / 'out'
    bad = raw / 'Area_1/office_2/Annotations/wall_3.txt'
    bad.write_text(bad.read_text() + '1 2 3\n')
    assert _main(raw, out) == 2
    error = capsys.readouterr().err
    assert 'wall_3.txt: ' in error
    assert 'What is done is kept; the same command goes on' in error
    assert list(_times(out)) == ['Area_1_WC_1.npy']
    assert not list(out.glob('*.partial'))
    before = _times(out)
    bad.write_text(bad.read_text().replace('1 2 3\n', ''))
    assert _main(raw, out) == 0
    assert before.items() <= _times(out).items()


def test_several_processes_give_the_same(tmp_path: Path, raw: Path) -> None:
    _main(raw, tmp_path / 'one')
    assert _main(raw, tmp_path / 'two', '--workers', '2') == 0
    for name in (*(f'{name}.npy' for name in NAMES), tool.REPORT):
        one, two = (tmp_path / part / name for part in ('one', 'two'))
        assert one.read_bytes() == two.read_bytes()
