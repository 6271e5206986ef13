from __future__ import annotations

import os
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mmdet3d_act.datasets.readers import BadSampleError
from mmdet3d_act.datasets.readers.pickles import read_arrays_pickle


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


@pytest.mark.parametrize(
    'dtype', ['<f4', '>f8', '<i2', '|u1', '|b1', '<U5', '|S3', '>i8']
)
@pytest.mark.parametrize('protocol', [0, 2, 4, 5])
def test_plain_types(tmp_path: Path, dtype: str, protocol: int) -> None:
    array = np.arange(12).reshape(3, 4).astype(dtype)
    content = [array, array.T, array[0, 1], array[:0], np.int64(5), 6]
    (tmp_path / 'a.dat').write_bytes(pickle.dumps(content, protocol))
    found = read_arrays_pickle(tmp_path / 'a.dat')
    usual = pickle.loads(pickle.dumps(content, protocol))
    assert [int(number) for number in found[-2:]] == [5, 6]
    for one, expected in zip(found[:-1], usual, strict=False):
        assert one.dtype == expected.dtype
        np.testing.assert_array_equal(one, expected)
    # Workers get the samples as pickles again.
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again[1], array.T)


class _Built:
    """Something that a pickle makes by a call and a state."""

    def __init__(self, call: tuple, state: object) -> None:
        self.parts = *call, state

    def __reduce__(self) -> tuple:
        return self.parts


def hidden_object() -> _Built:
    """An array whose void type says that it has an object inside."""
    fields = {'a': (np.dtype(object), 0)}
    state = (3, '|', None, ('a',), fields, 8, 1, 0)
    dtype = _Built((np.dtype, ('V8', False, True)), state)
    call = (np.core.multiarray._reconstruct, (np.ndarray, (0,), b'b'))
    return _Built(call, (1, (1,), dtype, False, b'B' * 8))


LONG = (3 * 10**9).to_bytes(8, 'little')
CRAFTED = {
    'empty': b'',
    'no pickle': b'no pickle',
    'no end': b'\x80\x04]',
    'hidden object': pickle.dumps(hidden_object()),
    'objects': pickle.dumps(np.array([None])),
    'fields': pickle.dumps(np.zeros(2, [('x', 'f4')])),
    'void': pickle.dumps(np.zeros(2, 'V4')),
    'bytearray call': pickle.dumps(_Built((bytearray, (3 * 10**9,)), None)),
    'array call': pickle.dumps(_Built((np.ndarray, ((3 * 10**9,),)), None)),
    'memo': b'\x80\x04]r\xff\xff\xff\x0a.',
    'bytes': b'\x80\x04\x8e' + LONG + b'.',
    'bytearray': b'\x80\x05\x96' + LONG + b'.',
    'shape': pickle.dumps(np.zeros(3)).replace(b'K\x03\x85', b'K\x04\x85'),
}


@pytest.mark.parametrize('name', CRAFTED)
def test_crafted(tmp_path: Path, name: str) -> None:
    path = tmp_path / 'a.dat'
    path.write_bytes(CRAFTED[name])
    tracemalloc.start()
    with pytest.raises(BadSampleError, match=r'a\.dat: '):
        read_arrays_pickle(path)
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()
