"""IterationSeedHook: what is drawn depends on seed, iteration and rank."""

from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmdet3d_act.engine import IterationSeedHook
from mmdet3d_act.engine.hooks import iteration_seed_hook
from mmdet3d_act.registry import HOOKS


def draw() -> tuple:
    return (
        torch.rand(2).tolist(),
        random.random(),
        np.random.rand(2).tolist(),
    )


def drawn_at(hook, iteration: int, seed: int = 0) -> tuple:
    draw()
    hook.before_train_iter(SimpleNamespace(iter=iteration, seed=seed), 0)
    return draw()


@pytest.fixture(autouse=True)
def _keep_generators():
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()
    yield
    torch.set_rng_state(states[0])
    random.setstate(states[1])
    np.random.set_state(states[2])


def test_same_iteration_draws_the_same():
    hook = HOOKS.get('IterationSeedHook')()
    first, other = drawn_at(hook, 7), drawn_at(hook, 8)
    assert drawn_at(hook, 7) == first
    for a, b in zip(first, other, strict=True):
        assert a != b
    # The start of an epoch draws apart.
    hook.before_train_epoch(SimpleNamespace(iter=7, seed=0))
    assert draw() != first


def test_seed_and_rank_count(monkeypatch):
    hook = IterationSeedHook()
    draws = [drawn_at(hook, 7), drawn_at(hook, 7, seed=1)]
    monkeypatch.setattr(iteration_seed_hook, 'get_rank', lambda: 1)
    draws.append(drawn_at(hook, 7))
    for part in zip(*draws, strict=True):
        assert len({str(value) for value in part}) == 3
