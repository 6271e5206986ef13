"""A number of the model that follows a schedule over the iterations."""

from __future__ import annotations

import math
from operator import attrgetter
from typing import NamedTuple

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmdet3d_act.engine.distributed import unwrapped
from mmdet3d_act.registry import HOOKS

LENGTHS, HOLDS = {'num_steps', 'fraction'}, {'hold', 'hold_fraction'}


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

    Raises:
        ValueError: If the schedule has other keys; at the start of training,
            if the model has no such number.

    Source: temperature and KL weight of the published stage I of ACT.

    Example:
        >>> hook = ScheduledValueHook(
        ...     attribute='kl_weight',
        ...     schedule=dict(start=0, end=0.1, num_steps=100, hold=10))
        >>> hook.ramp().value(10), hook.ramp().value(200)
        (0.0, 0.1)
    """

    priority = 'NORMAL'

    def __init__(self, attribute: str, schedule: dict) -> None:
        self.attribute = attribute
        self.schedule = dict(schedule)
        keys = set(self.schedule)
        lengths, holds = keys & LENGTHS, keys & HOLDS
        wrong = keys ^ (lengths | holds | {'start', 'end'})
        numbers = all(isinstance(v, int | float) for v in schedule.values())
        share = 0 < schedule.get('fraction', 1) <= 1 if numbers else False
        if wrong or len(lengths) != 1 or len(holds) > 1 or not share:
            raise ValueError(
                f'the schedule of {attribute!r} needs start, end and either '
                'num_steps or fraction (up to 1), and may have hold or '
                f'hold_fraction, all numbers, got {self.schedule}'
            )

    def ramp(self, max_iters: int | None = None) -> CosineRamp:
        """Compute the schedule in iterations.

        Args:
            max_iters: Iterations of the training; needed for fractions.
        """
        given = self.schedule
        if 'fraction' in given:
            num_steps = max(1, round(given['fraction'] * max_iters))
        else:
            num_steps = int(given['num_steps'])
        if 'hold_fraction' in given:
            hold = round(given['hold_fraction'] * max_iters)
        else:
            hold = int(given.get('hold', 0))
        start, end = float(given['start']), float(given['end'])
        return CosineRamp(start, end, num_steps, hold)

    def before_train(self, runner: Runner) -> None:
        """Find the attribute, and turn fractions into iterations."""
        path, _, self._name = self.attribute.rpartition('.')
        model = unwrapped(runner.model)
        try:
            self._owner = attrgetter(path)(model) if path else model
            float(getattr(self._owner, self._name))
        except (AttributeError, TypeError, ValueError):
            raise ValueError(
                f'ScheduledValueHook: {type(model).__name__} has no number '
                f'{self.attribute!r}; name one of the model, with dots to '
                'reach its parts'
            ) from None
        self._ramp = self.ramp(runner.max_iters)

    def before_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | tuple | list | None = None,
    ) -> None:
        """Write the number of this iteration onto the model."""
        setattr(self._owner, self._name, self._ramp.value(runner.iter))
