"""Files that are written whole, and their sha256."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmdet3d_act import io
from mmdet3d_act.io import file_hash, write_json


def test_files_are_never_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'deep' / 'file.json'
    write_json(path, dict(a=1))

    def full(self: Path, *args, **kwargs):
        self.touch()
        raise OSError('no space left')

    with monkeypatch.context() as patch:
        patch.setattr(io.Path, 'write_bytes', full)
        with pytest.raises(OSError, match='no space left'):
            write_json(path, dict(a=2))
    assert json.loads(path.read_text()) == dict(a=1)
    assert [*path.parent.iterdir()] == [path]


def test_file_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'a').write_bytes(b'abc')
    assert file_hash(tmp_path / 'a').startswith('ba7816bf')
    # In several pieces.
    monkeypatch.setattr(io, '_CHUNK', 2)
    assert file_hash(tmp_path / 'a').startswith('ba7816bf')
