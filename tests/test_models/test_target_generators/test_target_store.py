from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mmdet3d_act.models.target_generators import StoreError, TargetStore
from mmdet3d_act.models.target_generators import stored_target as module

WHO = {'type': 'Toy', 'encoder': {'model': 'a/b', 'sizes': (1, 2)}}


def create(folder: Path, keys=('a', 'b', 'c'), **settings) -> TargetStore:
    settings = {'identity': WHO, 'shape': (2, 3), **settings}
    identity = settings.pop('identity')
    return TargetStore.create(folder, identity, keys=list(keys), **settings)


def filled(folder: Path, **settings) -> torch.Tensor:
    torch.manual_seed(0)
    values = torch.randn(3, 2, 3)
    store = create(folder, **settings)
    store.write([2, 0], values[[2, 0]])
    store.write([1], values[1:2])
    store.flush()
    return values


def test_rows_are_read_by_name(tmp_path: Path) -> None:
    values = filled(tmp_path / 'store')
    store = TargetStore(tmp_path / 'store')
    assert torch.equal(store.read(['c', 'a']), values[[2, 0]])
    filled(tmp_path / 'half', dtype='float16')
    half = TargetStore(tmp_path / 'half').read(['a', 'b', 'c'])
    assert torch.equal(half, values.half().float())
    assert store.read([]).shape == (0, 2, 3)
    assert len(store) == 3
    assert store.identity['encoder']['sizes'] == [1, 2]


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    store = create(tmp_path)
    store.write([1], torch.ones(1, 2, 3))
    # What was not flushed may not be whole on the disk.
    assert store.pending() == [0, 1, 2]
    store.flush()
    assert store.pending() == [0, 2]
    assert store.pending(['c', 'b']) == [2]
    again = TargetStore(tmp_path)
    assert torch.equal(again.read(['b']), torch.ones(1, 2, 3))
    with pytest.raises(StoreError, match='2 of 3 targets are missing'):
        again.read(['b', 'c'])
    with pytest.raises(StoreError, match=r"no target of \['d'\]"):
        again.read(['d'])


def test_store_goes_on_and_grows(tmp_path: Path) -> None:
    values = filled(tmp_path)
    store = create(tmp_path, keys=['c', 'd'])
    assert store.keys == ['a', 'b', 'c', 'd']
    assert store.pending() == [3]
    assert torch.equal(store.read(['a', 'b', 'c']), values)
    store.write([3], torch.ones(1, 2, 3))
    store.flush()
    assert TargetStore(tmp_path).pending() == []


def test_interrupted_growth_is_repaired(tmp_path: Path) -> None:
    """Files that were made longer before the names were written."""
    values = filled(tmp_path)
    longer = np.concatenate([np.load(tmp_path / 'targets.npy')] * 2)
    np.save(tmp_path / 'targets.npy', longer)
    with pytest.raises(StoreError, match='6 targets of 3 names'):
        TargetStore(tmp_path)
    store = create(tmp_path)
    assert torch.equal(store.read(['a', 'b', 'c']), values)


@pytest.mark.parametrize(
    ('other', 'said'),
    [
        (dict(shape=(3, 2)), r'shape is \[2, 3\] instead of \[3, 2\]'),
        (dict(dtype='float16'), "dtype is 'float32' instead of 'float16'"),
        (dict(identity={'type': 'Other'}), r'type is .Toy. instead'),
    ],
)
def test_another_teacher(tmp_path: Path, other: dict, said: str) -> None:
    filled(tmp_path)
    with pytest.raises(StoreError, match=said):
        create(tmp_path, **other)


def _cut(folder: Path) -> None:
    data = (folder / 'targets.npy').read_bytes()
    (folder / 'targets.npy').write_bytes(data[:-1])


def _other_format(folder: Path) -> None:
    index = json.loads((folder / 'index.json').read_text())
    (folder / 'index.json').write_text(json.dumps({**index, 'format': 9}))


@pytest.mark.parametrize(
    ('damage', 'named'),
    [
        (lambda folder: (folder / 'index.json').unlink(), 'no store'),
        (lambda folder: (folder / 'index.json').write_text('{'), 'index'),
        (_other_format, 'format 9'),
        (lambda folder: (folder / 'targets.npy').unlink(), 'targets'),
        (_cut, 'targets'),
        (lambda folder: np.save(folder / 'done.npy', [1, 2]), 'of 3 names'),
        (
            lambda folder: np.save(folder / 'done.npy', np.array([{}])),
            'done',
        ),
    ],
)
def test_damaged_stores(tmp_path: Path, damage, named: str) -> None:
    filled(tmp_path)
    damage(tmp_path)
    with pytest.raises(StoreError, match=named):
        TargetStore(tmp_path)


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    values = filled(tmp_path)
    data = bytearray((tmp_path / 'targets.npy').read_bytes())
    data[-1] ^= 1
    (tmp_path / 'targets.npy').write_bytes(data)
    store = TargetStore(tmp_path)
    assert torch.equal(store.read(['a', 'b']), values[:2])
    with pytest.raises(StoreError, match="'c' is damaged"):
        store.read(['b', 'c'])


def test_folder_says_whose_it_is(tmp_path: Path) -> None:
    one = module.store_folder(tmp_path, WHO)
    assert one.name.startswith('Toy-a-b-')
    assert module.store_folder(tmp_path, dict(WHO)) == one
    other = {**WHO, 'encoder': {'model': 'a/b', 'sha256': '0'}}
    assert module.store_folder(tmp_path, other) != one
    filled(one)
    assert module.list_stores(tmp_path) == module.list_stores(one) == [one]
    assert module.list_stores(tmp_path / 'none') == []


@pytest.mark.parametrize(
    ('values', 'offender'),
    [
        (torch.full((1, 2, 3), 1e6), r'1e\+06'),
        (torch.full((1, 2, 3), np.nan), 'finite'),
        (torch.zeros(1, 3, 2), r'\(1, 3, 2\)'),
    ],
)
def test_bad_values(tmp_path: Path, values, offender: str) -> None:
    store = create(tmp_path, dtype='float16')
    with pytest.raises(ValueError, match=offender):
        store.write([0], values)
