from __future__ import annotations

import pickle
import random
from contextlib import suppress

import numpy as np
import pytest
import torch

from mmdet3d_act.datasets import seeding
from mmdet3d_act.datasets.seeding import (
    EpochSampler,
    RngKey,
    SampleIndex,
    epoch_stream,
    fixed_generator,
    rng_key,
    seeded,
    static_stream,
    substitute_order,
)
from mmdet3d_act.registry import DATA_SAMPLERS


@pytest.mark.parametrize(
    ('value', 'expected'),
    [
        (SampleIndex(7, 3, 5) - 2, 5),
        (SampleIndex(7, 3, 5) % 4, 3),
        (SampleIndex(7, 3, 5) + 2, 9),
        (10 + SampleIndex(-7, 3, 5), 3),
        (pickle.loads(pickle.dumps(SampleIndex(7, 3, 5))), 7),
    ],
)
def test_index_keeps_epoch_and_seed(value: SampleIndex, expected: int) -> None:
    assert (value, value.epoch, value.seed) == (expected, 3, 5)


@pytest.mark.parametrize(
    ('index', 'expected'),
    [
        (3, RngKey(0, 0, 3)),
        (-1, RngKey(0, 0, 9)),
        (np.int64(4), RngKey(0, 0, 4)),
        (SampleIndex(3, 2, 8), RngKey(8, 2, 3)),
    ],
)
def test_rng_key(index: int, expected: RngKey) -> None:
    assert rng_key(index, 10) == expected


def _draw() -> tuple[float, float, float]:
    return random.random(), np.random.random(), torch.rand(1).item()


def test_seeded_decides_all_generators_and_restores_them() -> None:
    def seed_all() -> None:
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)

    key = RngKey(1, 2, 3)
    seed_all()
    undisturbed = [_draw(), _draw()]
    seed_all()
    found = [_draw()]
    with seeded(epoch_stream(key)):
        first = _draw()
    with suppress(KeyError), seeded(epoch_stream(key)):
        found += [] if _draw() == first else [first]
        raise KeyError
    assert [*found, _draw()] == undisturbed


def test_streams_differ_in_all_parts_of_the_key() -> None:
    keys = [RngKey(*key) for key in np.ndindex(3, 3, 3)]
    streams = [epoch_stream(key) for key in keys]
    streams += [static_stream(RngKey(s, 0, i)) for s, i in np.ndindex(3, 3)]
    drawn = []
    for stream in streams:
        with seeded(stream):
            drawn.append(_draw())
    assert len(set(drawn)) == 27 + 9
    for column in zip(*drawn, strict=True):
        assert len(set(column)) == 27 + 9


def test_substitute_order() -> None:
    order = substitute_order(RngKey(0, 1, 2), 20)
    assert sorted(order) == list(range(20))
    assert order.tolist() == substitute_order(RngKey(0, 1, 2), 20).tolist()
    assert order.tolist() != substitute_order(RngKey(0, 2, 2), 20).tolist()


def test_fixed_generator_ignores_the_epoch_only() -> None:
    def draw(*key: int) -> float:
        return fixed_generator(dict(rng_key=RngKey(*key))).random()

    assert draw(1, 0, 2) == draw(1, 7, 2)
    assert len({draw(1, 0, 2), draw(2, 0, 2), draw(1, 0, 3)}) == 3
    with pytest.raises(KeyError, match='set per_epoch=True'):
        fixed_generator({})


def _ranks(
    monkeypatch: pytest.MonkeyPatch, world: int, **kwargs: object
) -> list[list[int]]:
    orders = []
    for rank in range(world):
        monkeypatch.setattr(
            seeding, 'get_dist_info', lambda rank=rank: (rank, world)
        )
        sampler = EpochSampler(range(10), **kwargs)
        sampler.set_epoch(4)
        orders.append(list(sampler))
        assert len(orders[-1]) == len(sampler)
    return orders


def test_order_is_a_function_of_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> tuple:
        sampler = DATA_SAMPLERS.build(
            dict(type='EpochSampler', dataset=range(20), seed=seed)
        )
        sampler.set_epoch(epoch)
        assert {(i.epoch, i.seed) for i in sampler} == {(epoch, seed)}
        return tuple(sampler)

    orders = {order(s, e) for s in range(3) for e in range(3)}
    assert len(orders) == 9
    assert order(2, 1) in orders
    assert all(sorted(o) == list(range(20)) for o in orders)


@pytest.mark.parametrize('world', [2, 3, 4])
def test_processes_share_the_order(
    monkeypatch: pytest.MonkeyPatch, world: int
) -> None:
    (alone,) = _ranks(monkeypatch, 1, seed=1)
    orders = _ranks(monkeypatch, world, seed=1)
    length = -(-10 // world)
    assert {len(order) for order in orders} == {length}
    together = [i for step in zip(*orders, strict=True) for i in step]
    assert together == (alone + alone)[: length * world]


def test_shared_gives_every_process_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (alone,) = _ranks(monkeypatch, 1, seed=1)
    for world in (2, 3):
        orders = _ranks(monkeypatch, world, seed=1, shared=True)
        assert orders == [alone] * world
        plain = _ranks(monkeypatch, world, shuffle=False, shared=True, seed=0)
        assert plain == [list(range(10))] * world
