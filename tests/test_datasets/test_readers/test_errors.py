from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from mmdet3d_act.datasets.readers.errors import (
    BadSampleError,
    describe_content,
    describe_fault,
    looks_binary,
)


def test_the_error_names_the_file() -> None:
    error = BadSampleError(Path('a/b.npy'), 'empty')
    assert str(error) == 'a/b.npy: empty'
    assert (error.path, error.fault) == ('a/b.npy', 'empty')
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)


@pytest.mark.parametrize(
    ('head', 'kind'),
    [
        (b'\xff\xd8\xff\xe0JFIF', 'a JPEG picture'),
        (b'PK\x03\x04rest', 'an .npz (ZIP) archive'),
        (b'\n<!DOCTYPE html>', 'a web page'),
        (b'version https://git-lfs.github.com/spec/v1', 'a Git LFS pointer'),
        (b'\x80\x04\x95', 'a Python pickle'),
        (b'0.1 0.2 0.3\n', 'text'),
        ('caf\xe9 1 2 3'.encode('latin-1'), 'text'),
        (b'\x01\x02\x00\x07', 'binary data'),
        (bytes(20), 'zero bytes'),
    ],
)
def test_describe_content(head: bytes, kind: str) -> None:
    assert describe_content(head) == kind


def test_looks_binary() -> None:
    assert looks_binary(b'1 2 3\x00')
    assert looks_binary(b'\x01\x02\x03abc')
    assert not looks_binary(b'1\t2\r\n3\x1b')


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        (
            b'\xff\xd8\xff\xe0',
            'expected a PLY file, got a JPEG picture: why; give it the '
            'suffix of what it is, or convert it',
        ),
        (b'ply\nno', 'expected a PLY file: why; if it is damaged, copy'),
        (b'<html>404', 'got a web page: why; the download failed'),
        (b'version https://git-lfs', 'git lfs pull'),
    ],
)
def test_describe_fault(tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / 'a.ply'
    path.write_bytes(content)
    fault = describe_fault(str(path), 'a PLY file', ValueError('why\n'))
    assert fault.startswith('unreadable: ')
    assert text in fault
