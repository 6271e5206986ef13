"""All formats against the same faults."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets.readers import (
    MESH_FILE_SUFFIXES,
    POINT_FILE_SUFFIXES,
    TEXT_FILE_SUFFIXES,
    BadSampleError,
    read_points,
)
from tests.test_datasets.test_readers.point_files import (
    CLOUDS,
    FORMS,
    UNCOUNTED,
    cloud,
    write_form,
)

SHARES = (0.001, 0.02, 0.05, *np.linspace(0.1, 0.95, 12), 0.98, 0.999)


def read(path: Path) -> np.ndarray:
    return read_points(str(path), mesh_points=64)


def test_every_suffix_has_a_form() -> None:
    assert {f'.{suffix}' for suffix, _ in FORMS.values()} | {'.gltf'} == set(
        POINT_FILE_SUFFIXES
    )
    assert set(MESH_FILE_SUFFIXES + TEXT_FILE_SUFFIXES) < set(
        POINT_FILE_SUFFIXES
    )


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('upper', [False, True])
def test_valid(tmp_path: Path, form: str, upper: bool) -> None:
    path = write_form(form, tmp_path)
    if upper:
        path = path.rename(path.with_suffix(path.suffix.upper()))
    points = read(path)
    assert points.dtype == np.float32
    assert points.flags.c_contiguous
    assert points.flags.writeable
    if form in CLOUDS:
        np.testing.assert_allclose(points[:, :3], cloud(), atol=1e-4)
    else:
        assert points.shape == (64, 3)


@pytest.mark.parametrize('form', FORMS)
def test_truncated(tmp_path: Path, form: str) -> None:
    """Refused; but forms without a count give the rows that are there."""
    path = write_form(form, tmp_path)
    data, whole = path.read_bytes(), read(path)
    refused = 0
    for share in SHARES:
        path.write_bytes(data[: max(1, int(share * len(data)))])
        try:
            points = read(path)
        except BadSampleError:
            refused += 1
            continue
        if form == 'obj':
            continue
        if form not in UNCOUNTED:
            assert len(points) == len(whole)
        # The very last number may have lost digits.
        same = points == whole[: len(points)]
        assert same.ravel()[:-1].all()
    assert refused >= (2 if form in UNCOUNTED else len(SHARES) - 1)


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.filterwarnings('ignore')
def test_damaged(tmp_path: Path, form: str) -> None:
    """Any bytes changed: a cloud or the error, nothing else, soon."""
    path = write_form(form, tmp_path)
    data = path.read_bytes()
    rng = np.random.default_rng(len(data))
    outcomes = set()
    for _ in range(60):
        damaged = np.frombuffer(data, np.uint8).copy()
        places = rng.integers(len(data), size=rng.integers(1, 8))
        damaged[places] = rng.integers(256, size=len(places))
        path.write_bytes(damaged)
        tracemalloc.start()
        try:
            points = read(path)
            outcomes.add('read')
            assert np.isfinite(points).all()
        except BadSampleError:
            outcomes.add('refused')
        assert tracemalloc.get_traced_memory()[1] < 3 * 10**7
        tracemalloc.stop()
    assert 'refused' in outcomes


@pytest.mark.parametrize('suffix', POINT_FILE_SUFFIXES)
def test_random_bytes(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(11)
    path = tmp_path / f'a{suffix}'
    for size in rng.integers(1, 3000, 20):
        path.write_bytes(rng.bytes(int(size)))
        with pytest.raises(BadSampleError, match=r'a\.\w+: unreadable'):
            read(path)


@pytest.mark.parametrize('suffix', POINT_FILE_SUFFIXES)
@pytest.mark.parametrize(
    ('content', 'arrived'),
    [
        (b'\xff\xd8\xff\xe0\x00\x10JFIF' + bytes(99), 'got a JPEG picture'),
        (b'This is a text, not a cloud.\n' * 9, 'unreadable: expected .*text'),
        (b'<!DOCTYPE html><html>404</html>', 'got a web page: .* get the'),
        (b'version https://git-lfs.github.com/spec/v1\n', 'git lfs pull'),
        (b'\x80\x04\x95' + bytes(50), 'got a Python pickle: .* run code'),
        (bytes(5000), 'got zero bytes'),
    ],
)
def test_mislabelled(
    tmp_path: Path, suffix: str, content: bytes, arrived: str
) -> None:
    path = tmp_path / f'a{suffix}'
    path.write_bytes(content)
    if suffix == '.stl' and content.startswith(b'\x00'):
        # 80 bytes of header, 0 faces, and more: told by its length.
        arrived = 'truncated or no STL file'
    with pytest.raises(BadSampleError, match=rf'a\.\w+: .*{arrived}'):
        read(path)


@pytest.mark.parametrize(
    ('form', 'suffix'),
    [
        (form, suffix)
        for form in ('npy', 'ply-little', 'pcd-binary', 'glb')
        for suffix in POINT_FILE_SUFFIXES
        if suffix != f'.{FORMS[form][0]}'
    ],
)
def test_another_format(tmp_path: Path, form: str, suffix: str) -> None:
    path = write_form(form, tmp_path).rename(tmp_path / f'a{suffix}')
    with pytest.raises(BadSampleError, match='give it the suffix of what'):
        read(path)


@pytest.mark.parametrize('suffix', POINT_FILE_SUFFIXES)
def test_empty_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f'a{suffix}'
    path.touch()
    with pytest.raises(BadSampleError, match='the file has 0 bytes'):
        read(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadSampleError, match=r'b\.npy: .*does not exist'):
        read(tmp_path / 'b.npy')
    (tmp_path / 'c.npy').mkdir()
    with pytest.raises(BadSampleError, match=r'c\.npy: .*does not exist'):
        read(tmp_path / 'c.npy')


def test_unknown_suffix(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'ending in one of .*b\.bin'):
        read_points(str(tmp_path / 'b.bin'))


def test_mesh_points_must_be_positive(tmp_path: Path) -> None:
    path = write_form('off', tmp_path)
    with pytest.raises(ValueError, match='mesh_points must be >= 1, got 0'):
        read_points(str(path), mesh_points=0)
