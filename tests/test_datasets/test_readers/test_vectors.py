from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers.vectors import read_vectors


def test_vectors_by_name(tmp_path: Path) -> None:
    path = tmp_path / 'a.npz'
    rows = np.arange(6, dtype=np.float16).reshape(2, 3)
    np.savez(path, image=rows, image_key=np.array(['cup/1', 'cup/2']))
    found = read_vectors(str(path), 'image')
    assert list(found) == ['cup/1', 'cup/2']
    assert found['cup/2'].dtype == np.float32
    assert found['cup/2'].tolist() == [3, 4, 5]


@pytest.mark.parametrize(
    ('arrays', 'message'),
    [
        (dict(image=np.ones((2, 3))), 'expected arrays image and image_key'),
        (dict(image=np.ones(3), image_key=np.array(['a'] * 3)), r'\(S, D\)'),
        (dict(image=np.ones((2, 3)), image_key=np.array(['a'])), r'\(2,\)'),
        (dict(image=np.ones((1, 3)), image_key=np.array([1])), 'of texts'),
        (
            dict(image=np.ones((2, 3)), image_key=np.array(['a', 'a'])),
            'occur once',
        ),
        (
            dict(image=np.full((1, 3), np.nan), image_key=np.array(['a'])),
            'NaN',
        ),
    ],
)
def test_wrong_files(tmp_path: Path, arrays: dict, message: str) -> None:
    path = tmp_path / 'a.npz'
    np.savez(path, **arrays)
    with pytest.raises(BadSampleError, match=message):
        read_vectors(str(path), 'image')


def test_no_archive(tmp_path: Path) -> None:
    path = tmp_path / 'a.npz'
    with pytest.raises(BadSampleError, match='does not exist'):
        read_vectors(str(path), 'image')
    path.write_bytes(b'PK\x03\x04 and no more')
    with pytest.raises(BadSampleError, match=r'unreadable: expected an .npz'):
        read_vectors(str(path), 'image')
