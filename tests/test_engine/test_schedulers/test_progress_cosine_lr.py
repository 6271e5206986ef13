"""The learning rate of 3DETR."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from mmdet3d_act.engine import ProgressCosineLR


def rates(steps: int, **settings: object) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1e-2)
    scheduler = ProgressCosineLR(optimizer, **settings)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    return found


def test_line_then_the_rest_of_a_cosine() -> None:
    found = rates(20, warmup=4, end=20, warmup_lr=1e-3, eta_min=1e-4)
    assert found[:5] == pytest.approx([1e-3, 3.25e-3, 5.5e-3, 7.75e-3, 1e-2])
    for step in range(5, 20):
        weight = (1 + math.cos(math.pi * step / 20)) / 2
        assert found[step] == pytest.approx(1e-4 + 9.9e-3 * weight)
    assert rates(3, warmup=0, end=9)[0] == pytest.approx(1e-2)


def test_epochs_become_steps() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1e-2)
    made = ProgressCosineLR.build_iter_from_epoch(
        optimizer, warmup=2, end=6, epoch_length=5
    )
    assert (made.warmup, made.end, made.by_epoch) == (10, 30, False)
    with pytest.raises(ValueError, match='by_epoch=False'):
        ProgressCosineLR.build_iter_from_epoch(
            optimizer, warmup=2, end=6, epoch_length=5, by_epoch=False
        )


def test_resuming_goes_on() -> None:
    settings = dict(warmup=2, end=9)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1e-2)
    scheduler = ProgressCosineLR(optimizer, **settings)
    for _ in range(5):
        optimizer.step()
        scheduler.step()
    again = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1e-2)
    other = ProgressCosineLR(again, **settings)
    other.load_state_dict(scheduler.state_dict())
    again.load_state_dict(optimizer.state_dict())
    again.step()
    other.step()
    assert again.param_groups[0]['lr'] == pytest.approx(
        rates(7, **settings)[6]
    )


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(warmup=9, end=9), r'warmup must be in \[0, end\)'),
        (dict(warmup=1, end=9, begin=2), 'begin must be 0'),
    ],
)
def test_impossible_schedules(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rates(1, **settings)
