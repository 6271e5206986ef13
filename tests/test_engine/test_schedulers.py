"""The published cosine rates: by hand, resumed; more are golden arrays."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from mmdet3d_act.engine import ProgressCosineLR, ReleasedCosineLR

ARGS = dict(num_epochs=20, warmup_epochs=4, warmup_lr=0.1, eta_min=0.2)
PROGRESS = dict(warmup=4, end=20, warmup_lr=1e-3, eta_min=1e-4)


def optimizer_of(*rates: float) -> torch.optim.Optimizer:
    groups = [
        dict(params=[nn.Parameter(torch.zeros(1))], lr=lr) for lr in rates
    ]
    return torch.optim.SGD(groups)


def rates(optimizer, scheduler, steps: int) -> list[list[float]]:
    found = []
    for _ in range(steps):
        found.append([group['lr'] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return found


def test_line_then_the_rest_of_a_cosine():
    optimizer = optimizer_of(1e-2)
    found = rates(optimizer, ProgressCosineLR(optimizer, **PROGRESS), 20)
    found = [rate for (rate,) in found]
    assert found[:5] == pytest.approx([1e-3, 3.25e-3, 5.5e-3, 7.75e-3, 1e-2])
    for step in range(5, 20):
        weight = (1 + math.cos(math.pi * step / 20)) / 2
        assert found[step] == pytest.approx(1e-4 + 9.9e-3 * weight)
    without = optimizer_of(1e-2)
    ProgressCosineLR(without, warmup=0, end=9)
    assert without.param_groups[0]['lr'] == pytest.approx(1e-2)


@pytest.mark.parametrize(
    ('kind', 'settings'),
    [(ReleasedCosineLR, ARGS), (ProgressCosineLR, PROGRESS)],
)
def test_resumes_where_it_stopped(kind, settings):
    optimizer = optimizer_of(1.1)
    whole = rates(optimizer, kind(optimizer, **settings), 12)
    optimizer = optimizer_of(1.1)
    scheduler = kind(optimizer, **settings)
    first = rates(optimizer, scheduler, 5)
    state, weights = scheduler.state_dict(), optimizer.state_dict()
    optimizer = optimizer_of(1.1)
    scheduler = kind(optimizer, **settings)
    optimizer.load_state_dict(weights)
    scheduler.load_state_dict(state)
    assert first + rates(optimizer, scheduler, 7) == whole


@pytest.mark.parametrize(
    ('kind', 'settings', 'offender'),
    [
        (ReleasedCosineLR, dict(num_epochs=9, warmup_epochs=9), '9 of 9'),
        (ProgressCosineLR, dict(warmup=9, end=9), '9 of 9'),
    ],
)
def test_impossible_schedules(kind, settings, offender):
    with pytest.raises(ValueError, match=offender):
        kind(optimizer_of(1.0), **settings)
