from __future__ import annotations

import pytest

from mmdet3d_act.datasets import seeding
from mmdet3d_act.datasets.seeding import EpochSampler
from mmdet3d_act.registry import DATA_SAMPLERS


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
        return tuple(sampler)

    orders = {order(s, e) for s in range(3) for e in range(3)}
    assert len(orders) == 9
    assert order(2, 1) in orders
    assert all(sorted(o) == list(range(20)) for o in orders)


def test_indices_carry_epoch_and_seed() -> None:
    sampler = EpochSampler(range(5), seed=7)
    sampler.set_epoch(3)
    assert {(i.epoch, i.seed) for i in sampler} == {(3, 7)}


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


def test_without_round_up_nothing_repeats(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    orders = _ranks(monkeypatch, 4, seed=1, round_up=False)
    assert [len(order) for order in orders] == [3, 3, 2, 2]
    assert sorted(i for order in orders for i in order) == list(range(10))


def test_shared_gives_every_process_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (alone,) = _ranks(monkeypatch, 1, seed=1)
    for world in (2, 3):
        orders = _ranks(monkeypatch, world, seed=1, shared=True)
        assert orders == [alone] * world
        plain = _ranks(monkeypatch, world, shuffle=False, shared=True, seed=0)
        assert plain == [list(range(10))] * world


def test_more_processes_than_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeding, 'get_dist_info', lambda: (7, 8))
    sampler = EpochSampler(range(3), seed=0)
    assert len(sampler) == len(list(sampler)) == 1
