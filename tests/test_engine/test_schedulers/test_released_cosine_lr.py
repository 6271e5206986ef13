"""ReleasedCosineLR: hand-worked rates, groups, resuming, errors."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from mmdet3d_act.engine import ReleasedCosineLR, released_cosine_lr

ARGS = dict(num_epochs=20, warmup_epochs=4, warmup_lr=0.1, eta_min=0.2)


def optimizer_of(*rates: float) -> torch.optim.Optimizer:
    groups = [
        dict(params=[nn.Parameter(torch.zeros(1))], lr=lr) for lr in rates
    ]
    return torch.optim.SGD(groups)


def rates(optimizer, scheduler, epochs: int) -> list[list[float]]:
    found = []
    for _ in range(epochs):
        found.append([group['lr'] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return found


def test_values_by_hand():
    assert released_cosine_lr(0, 1.1, **ARGS) == 0.1
    assert released_cosine_lr(2, 1.1, **ARGS) == pytest.approx(0.6)
    # The cosine counts from epoch 0, not from the end of the warm-up.
    expected = 0.2 + 0.9 * (1 + math.cos(math.pi * 4 / 20)) / 2
    assert released_cosine_lr(4, 1.1, **ARGS) == pytest.approx(expected)
    assert released_cosine_lr(20, 1.1, **ARGS) == pytest.approx(0.2)
    assert released_cosine_lr(25, 1.1, **ARGS) == pytest.approx(0.2)


@pytest.mark.parametrize('delay', [0, 1, 2])
def test_every_group_follows_its_own_base_late(delay):
    optimizer = optimizer_of(1.1, 0.6)
    scheduler = ReleasedCosineLR(optimizer, delay=delay, **ARGS)
    for epoch, found in enumerate(rates(optimizer, scheduler, 23)):
        late = max(epoch - delay, 0)
        assert found == pytest.approx(
            [released_cosine_lr(late, base, **ARGS) for base in (1.1, 0.6)]
        )


def test_resumes_where_it_stopped():
    optimizer = optimizer_of(1.1)
    whole = rates(optimizer, ReleasedCosineLR(optimizer, **ARGS), 12)
    optimizer = optimizer_of(1.1)
    scheduler = ReleasedCosineLR(optimizer, **ARGS)
    first = rates(optimizer, scheduler, 5)
    state, weights = scheduler.state_dict(), optimizer.state_dict()
    optimizer = optimizer_of(1.1)
    scheduler = ReleasedCosineLR(optimizer, **ARGS)
    optimizer.load_state_dict(weights)
    scheduler.load_state_dict(state)
    assert first + rates(optimizer, scheduler, 7) == whole


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(by_epoch=False), 'steps once an epoch'),
        (dict(delay=-1), 'delay must be >= 0, got -1'),
        (dict(warmup_epochs=20), r'warmup_epochs must be in \[0, num_epochs'),
    ],
)
def test_wrong_arguments_are_refused(change, message):
    optimizer = optimizer_of(1.0)
    arguments = {**ARGS, **change}
    with pytest.raises(ValueError, match=message):
        ReleasedCosineLR(optimizer, **arguments)
