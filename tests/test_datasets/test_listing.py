from __future__ import annotations

from pathlib import Path

from mmdet3d_act.datasets.listing import describe_missing_files, read_lines


def test_describe_missing_files(tmp_path: Path) -> None:
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a' / 'x').touch()
    names = ['a/x', 'a/y', 'b/z']
    (text,) = describe_missing_files('Data', str(tmp_path), names)
    assert text.startswith('Data: 2 of 3 listed files are missing')
    assert 'a/y' in text
    assert describe_missing_files('Data', str(tmp_path), ['a/x']) == []


def test_read_lines(tmp_path: Path) -> None:
    path = tmp_path / 'list.txt'
    path.write_bytes(b' a.npy \r\n\n b\n')
    assert read_lines(str(path)) == ['a.npy', 'b']
