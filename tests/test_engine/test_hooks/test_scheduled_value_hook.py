"""ScheduledValueHook: values, fractions, attribute look-up, errors."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from mmengine.model import MMDistributedDataParallel
from torch import nn

from mmdet3d_act.engine import CosineRamp, ScheduledValueHook

TEMPERATURE = dict(start=1.0, end=0.0625, num_steps=100)


class Annealed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.temperature = 1.0
        self.name = 'toy'
        self.parts = nn.ModuleList([nn.Module()])
        self.parts[0].weight = 0


def runner_of(model: nn.Module, max_iters: int = 1000) -> SimpleNamespace:
    return SimpleNamespace(model=model, iter=0, max_iters=max_iters)


def test_ramp_by_hand():
    ramp = CosineRamp(start=0.0, end=0.1, num_steps=100, hold=10)
    assert ramp.value(0) == ramp.value(10) == 0.0
    assert ramp.value(60) == pytest.approx(0.05)
    assert ramp.value(35) == pytest.approx(0.1 * (1 - 0.5**0.5) / 2)
    assert ramp.value(110) == ramp.value(10**6) == 0.1


def test_writes_what_the_iteration_says_in_any_order():
    model = Annealed()
    hook = ScheduledValueHook('temperature', TEMPERATURE)
    runner = runner_of(model)
    hook.before_train(runner)
    for step, expected in ((50, 0.53125), (0, 1.0), (400, 0.0625)):
        runner.iter = step
        hook.before_train_iter(runner, 0)
        assert model.temperature == pytest.approx(expected)


def test_reaches_parts_inside_a_wrapper_by_fractions_of_the_training():
    model = Annealed()
    wrapper = MMDistributedDataParallel.__new__(MMDistributedDataParallel)
    nn.Module.__init__(wrapper)
    wrapper.module = model
    hook = ScheduledValueHook(
        'parts.0.weight', dict(start=0, end=2, fraction=0.5, hold_fraction=0.1)
    )
    runner = runner_of(wrapper, max_iters=200)
    hook.before_train(runner)
    assert hook.ramp(200) == CosineRamp(0.0, 2.0, 100, 20)
    runner.iter = 70
    hook.before_train_iter(runner, 0)
    assert model.parts[0].weight == pytest.approx(1.0)


@pytest.mark.parametrize('attribute', ['parts.0.temprature', 'name', 'a.b'])
def test_the_model_must_have_such_a_number(attribute):
    hook = ScheduledValueHook(attribute, TEMPERATURE)
    with pytest.raises(ValueError, match=attribute):
        hook.before_train(runner_of(Annealed()))


@pytest.mark.parametrize(
    ('changes', 'offender'),
    [
        (dict(end=None), 'end'),
        (dict(num_steps=None), 'num_steps'),
        (dict(fraction=1), 'fraction'),
        (dict(steps=1), 'steps'),
        (dict(hold=1, hold_fraction=0.1), 'hold_fraction'),
    ],
)
def test_wrong_schedules_are_refused(changes, offender):
    schedule = {**TEMPERATURE, **changes}
    schedule = {k: v for k, v in schedule.items() if v is not None}
    with pytest.raises(ValueError, match=offender):
        ScheduledValueHook('temperature', schedule)
