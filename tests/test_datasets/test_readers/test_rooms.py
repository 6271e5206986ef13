from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets import BadSampleError
from mmdet3d_act.datasets.readers.rooms import map_rows, open_room
from tests.segmentation_data import room_rows


@pytest.fixture
def rows() -> np.ndarray:
    """A room's rows."""
    rows = room_rows(300, np.random.default_rng(0))
    rows[:, :3] += [2, -3, 1]
    return rows


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
def test_room_is_mapped(tmp_path: Path, rows: np.ndarray, dtype: str) -> None:
    path = str(tmp_path / 'Area_1_office_1.npy')
    np.save(path, rows.astype(dtype))
    room = open_room(path, 13)
    assert isinstance(room.rows, np.memmap)
    assert room.rows.dtype == dtype
    np.testing.assert_array_equal(room.rows, rows.astype(dtype))
    np.testing.assert_allclose(room.low, rows[:, :3].min(0), rtol=1e-6)
    np.testing.assert_allclose(room.high, rows[:, :3].max(0), rtol=1e-6)
    assert room.label_counts.shape == (13,)
    assert room.label_counts.sum() == 300
    assert room.label_counts[12] == (rows[:, 6] == 12).sum()


def test_large_rooms_are_looked_at_in_parts(
    tmp_path: Path, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('mmdet3d_act.datasets.readers.rooms._CHUNK', 7)
    path = str(tmp_path / 'a.npy')
    np.save(path, rows)
    room = open_room(path, 13)
    np.testing.assert_array_equal(room.low, rows[:, :3].min(0))
    np.testing.assert_array_equal(room.high, rows[:, :3].max(0))
    assert room.label_counts.sum() == 300
    rows[250, 1] = np.inf
    np.save(str(tmp_path / 'b.npy'), rows)
    with pytest.raises(BadSampleError, match='the first in row 250'):
        open_room(str(tmp_path / 'b.npy'), 13)


def test_a_file_that_was_replaced_is_looked_at_again(
    tmp_path: Path, rows: np.ndarray
) -> None:
    path = str(tmp_path / 'a.npy')
    np.save(path, rows)
    assert open_room(path, 13).label_counts.sum() == 300
    np.save(path, rows[:100])
    assert open_room(path, 13).label_counts.sum() == 100


@pytest.mark.parametrize(
    ('value', 'text'), [(13, 'is 13 of point 9'), (0.5, 'is 0.5 of point 9')]
)
def test_labels_that_are_none(
    tmp_path: Path, rows: np.ndarray, value: float, text: str
) -> None:
    rows[9, 6] = value
    np.save(tmp_path / 'a.npy', rows)
    with pytest.raises(BadSampleError, match=text):
        open_room(str(tmp_path / 'a.npy'), 13)


@pytest.mark.parametrize(
    ('array', 'text'),
    [
        (np.zeros((5, 6)), r'got float64 \(5, 6\)'),
        (np.zeros((5, 7), np.int64), r'got int64 \(5, 7\)'),
        (np.zeros(7), r'got float64 \(7,\)'),
        (np.zeros((0, 7)), 'empty'),
        (np.array([{}]), 'unreadable'),
    ],
)
def test_other_arrays(tmp_path: Path, array: np.ndarray, text: str) -> None:
    path = str(tmp_path / 'a.npy')
    np.save(path, array)
    with pytest.raises(BadSampleError, match=f'a.npy: .*{text}'):
        map_rows(path)


def test_damaged_files(tmp_path: Path, rows: np.ndarray) -> None:
    path = tmp_path / 'a.npy'
    with pytest.raises(BadSampleError, match='does not exist'):
        map_rows(str(path))
    np.save(path, rows)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadSampleError, match='expected a NumPy array'):
        map_rows(str(path))
    path.write_bytes(b'\xff\xd8\xff' + bytes(100))
    with pytest.raises(BadSampleError, match='got a JPEG picture'):
        map_rows(str(path))
    path.write_bytes(b'')
    with pytest.raises(BadSampleError, match='expected a NumPy array'):
        map_rows(str(path))
