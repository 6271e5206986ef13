from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.synthetic.writing import (
    Manifest,
    work_off,
    write_array,
    write_whole,
)


def touch(path: Path) -> None:
    path.write_text('done')


def test_files_are_whole_and_leave_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / 'deep' / 'file.bin'
    write_whole(path, b'first')
    write_whole(path, b'second')
    assert path.read_bytes() == b'second'
    assert list(path.parent.iterdir()) == [path]


def test_arrays_are_read_back(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    write_array(tmp_path / 'a.npy', values)
    np.testing.assert_array_equal(np.load(tmp_path / 'a.npy'), values)


@pytest.mark.parametrize('num_workers', [1, 2])
def test_every_task_is_worked_off(tmp_path: Path, num_workers: int) -> None:
    paths = [tmp_path / str(index) for index in range(5)]
    assert len(list(work_off(touch, paths, num_workers))) == 5
    assert all(path.read_text() == 'done' for path in paths)


def test_no_workers_are_refused_before_anything_is_done() -> None:
    with pytest.raises(ValueError, match='num_workers must be at least 1'):
        work_off(touch, [], 0)


def test_a_manifest_knows_its_set(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path / 'm.json', 1, {'a': 1, 'b': {'c': 2}})
    assert manifest.found() is None
    manifest.write(complete=False)
    found = manifest.found()
    assert manifest.matches(found)
    assert found['complete'] is False
    other = Manifest(tmp_path / 'm.json', 1, {'a': 1, 'b': {'c': 3}})
    assert not other.matches(found)
    with pytest.raises(ValueError, match='options: c: 2 there, 3 ') as error:
        other.refuse(found)
    assert 'a:' not in str(error.value)
    assert 'complete' not in str(error.value)
    newer = Manifest(tmp_path / 'm.json', 2, {'a': 1, 'b': {'c': 2}})
    with pytest.raises(ValueError, match='version: 1 there, 2 now'):
        newer.refuse(found)


@pytest.mark.parametrize('text', ['', '[]', '{"version": 1}'])
def test_a_broken_manifest_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / 'm.json'
    path.write_text(text)
    with pytest.raises(ValueError, match='must say how the set was made'):
        Manifest(path, 1, {}).found()
