from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets.readers.pickles import read_arrays_pickle


def _clouds() -> list[np.ndarray]:
    return [np.full((5, 6), i, np.float32) for i in range(3)]


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_and_numbers(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / 'a.dat'
    labels = [np.array(4, np.int32), np.int64(5), 6]
    path.write_bytes(pickle.dumps([_clouds(), labels], protocol))
    clouds, read = read_arrays_pickle(path)
    assert [int(label) for label in np.ravel(read)] == [4, 5, 6]
    np.testing.assert_array_equal(clouds, _clouds())


class _Harmful:
    def __init__(self, function: object, *args: object) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize(
    ('function', 'name'),
    [
        (os.mkdir, f'{os.name}.mkdir'),
        (eval, 'builtins.eval'),
        (getattr, 'builtins.getattr'),
        (np.load, 'numpy.load'),
    ],
)
def test_other_types_are_refused_by_name(
    tmp_path: Path, function: object, name: str
) -> None:
    path = tmp_path / 'a.dat'
    target = tmp_path / 'harm'
    harmful = _Harmful(function, str(target))
    path.write_bytes(pickle.dumps([[harmful], [0]]))
    with pytest.raises(ValueError, match=rf'a\.dat: .*refused to load {name}'):
        read_arrays_pickle(path)
    assert not target.exists()


@pytest.mark.parametrize('content', [b'', b'no pickle', b'\x80\x04]'])
def test_no_pickle(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / 'a.dat'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'a\.dat: cannot be read'):
        read_arrays_pickle(path)
