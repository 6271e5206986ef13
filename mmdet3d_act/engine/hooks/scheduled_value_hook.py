"""A number of the model that follows a schedule over the iterations."""

from __future__ import annotations

import math
from operator import attrgetter
from typing import NamedTuple

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from mmdet3d_act.engine.distributed import unwrapped
from mmdet3d_act.registry import HOOKS

LENGTHS, HOLDS = {'num_steps', 'fraction'}, {'hold', 'hold_fraction'}
INF = float('inf')
RANGES = {
    'num_steps': (1, INF),
    'hold': (0, INF),
    'fraction': (0, 1),
    'hold_fraction': (0, 1),
}


class CosineRamp(NamedTuple):
    """A value that goes from one number to another along half a cosine.

    Args:
        start: Value until the ramp begins.
        end: Value from its end on.
        num_steps: Iterations from ``start`` to ``end``, >= 1.
        hold: Iterations at ``start`` before that, >= 0.

    Example:
        >>> ramp = CosineRamp(start=1.0, end=0.0625, num_steps=100000)
        >>> ramp.value(50000)
        0.53125
    """

    start: float
    end: float
    num_steps: int
    hold: int = 0

    def value(self, step: int) -> float:
        """Compute the value at an iteration, counted from 0."""
        progress = min(max((step - self.hold) / self.num_steps, 0.0), 1.0)
        weight = (1 + math.cos(math.pi * progress)) / 2
        return self.end + (self.start - self.end) * weight


@HOOKS.register_module()
class ScheduledValueHook(Hook):
    """Writes a scheduled number onto the model before a train iteration.

    The number depends on the iteration alone, so a resumed training continues
    as an uninterrupted one would. Validation sees the last one written.

    Args:
        attribute: Name of a float of the model; a dotted path reaches its
            parts, for example ``'autoencoder.temperature'``.
        schedule: ``start`` and ``end`` of a :class:`CosineRamp` with its
            length: ``num_steps`` (iterations) or ``fraction`` (of the
            training's iterations, in (0, 1], for trainings of another length
            than the published), and the wait before it: ``hold`` or
            ``hold_fraction`` (default 0).
        log: Whether the number is added to the training log. The models of
            this package log theirs themselves.

    Raises:
        ValueError: If the schedule has other keys or numbers out of range; at
            the start of training, if the model has no such number.

    Source: temperature and KL weight of the published stage I of ACT.

    Example:
        >>> hook = ScheduledValueHook(
        ...     attribute='kl_weight',
        ...     schedule=dict(start=0, end=0.1, num_steps=100, hold=10))
        >>> hook.value(10), hook.value(200)
        (0.0, 0.1)
    """

    priority = 'NORMAL'

    def __init__(
        self, attribute: str, schedule: dict, *, log: bool = False
    ) -> None:
        self.attribute = attribute
        self.schedule = dict(schedule)
        self.log = log
        self._ramp: CosineRamp | None = None
        keys = set(self.schedule)
        lengths, holds = keys & LENGTHS, keys & HOLDS
        wrong = keys ^ (lengths | holds | {'start', 'end'})
        if wrong or len(lengths) != 1 or len(holds) > 1:
            raise ValueError(
                f'the schedule of {attribute!r} needs start, end and either '
                'num_steps or fraction, and may have hold or hold_fraction, '
                f'got {sorted(keys)}'
            )
        for key in keys & set(RANGES):
            low, high = RANGES[key]
            value = self.schedule[key]
            whole = high < INF or value == int(value)
            if not (low <= value <= high and whole):
                raise ValueError(
                    f'{key} of the schedule of {attribute!r} must be '
                    f'{low} ... {high}, got {value}; num_steps and hold are '
                    'iterations, fraction and hold_fraction shares of all'
                )

    def ramp(self, max_iters: int | None = None) -> CosineRamp:
        """Compute the schedule in iterations.

        Args:
            max_iters: Iterations of the training; needed for fractions.
        """
        schedule = self.schedule
        num_steps, hold = schedule.get('num_steps'), schedule.get('hold', 0)
        if num_steps is None:
            num_steps = max(1, round(schedule['fraction'] * max_iters))
        if 'hold_fraction' in schedule:
            hold = round(schedule['hold_fraction'] * max_iters)
        return CosineRamp(
            float(schedule['start']),
            float(schedule['end']),
            int(num_steps),
            int(hold),
        )

    def value(self, step: int, max_iters: int | None = None) -> float:
        """Compute the number at an iteration.

        Args:
            step: Iteration, from 0.
            max_iters: Iterations of the training; needed for fractions.
        """
        return self.ramp(max_iters).value(step)

    def _owner(self, runner: Runner) -> tuple[nn.Module, str]:
        """Find the part of the unwrapped model that has the attribute."""
        model = unwrapped(runner.model)
        path, _, name = self.attribute.rpartition('.')
        try:
            owner = attrgetter(path)(model) if path else model
            float(getattr(owner, name))
        except (AttributeError, TypeError, ValueError):
            raise ValueError(
                f'ScheduledValueHook: {type(model).__name__} has no number '
                f'{self.attribute!r}; name one of the model, with dots to '
                'reach its parts'
            ) from None
        return owner, name

    def before_train(self, runner: Runner) -> None:
        """Check the attribute, and turn fractions into iterations."""
        self._owner(runner)
        self._ramp = self.ramp(runner.max_iters)

    def before_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | tuple | list | None = None,
    ) -> None:
        """Write the number of this iteration onto the model."""
        if self._ramp is None:
            self._ramp = self.ramp(runner.max_iters)
        value = self._ramp.value(runner.iter)
        owner, name = self._owner(runner)
        setattr(owner, name, value)
        if self.log:
            runner.message_hub.update_scalar(f'train/{self.attribute}', value)
