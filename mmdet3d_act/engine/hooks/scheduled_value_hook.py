"""A number of the model that follows a schedule over the iterations."""

from __future__ import annotations

import math
from numbers import Real
from typing import NamedTuple

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from mmdet3d_act.engine.distributed import unwrapped
from mmdet3d_act.registry import HOOKS


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
        """Return the value at an iteration, counted from 0."""
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
        ValueError: If the schedule lacks a key, has an unknown one or one out
            of range; at the start of training, if the model has no such
            attribute.
        TypeError: At the start of training, if it is not a number.

    Source: temperature and KL weight of ACT's stage I, ``PROTOCOLS.md``.

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
        self._check_schedule()
        self._ramp: CosineRamp | None = None

    def _check_schedule(self) -> None:
        keys = set(self.schedule)
        unknown = keys - {
            'start', 'end', 'num_steps', 'fraction', 'hold', 'hold_fraction'
        }  # fmt: skip
        if unknown:
            raise ValueError(
                f'schedule of {self.attribute!r} has unknown keys '
                f'{sorted(unknown)}; it takes start, end, num_steps or '
                'fraction, hold or hold_fraction'
            )
        if not keys >= {'start', 'end'}:
            raise ValueError(
                f'schedule of {self.attribute!r} needs start and end, got '
                f'{sorted(keys)}'
            )
        if len(keys & {'num_steps', 'fraction'}) != 1:
            raise ValueError(
                f'schedule of {self.attribute!r} needs either num_steps '
                f'(iterations) or fraction (of all), got {sorted(keys)}'
            )
        if keys >= {'hold', 'hold_fraction'}:
            raise ValueError(
                f'schedule of {self.attribute!r} has both hold and '
                'hold_fraction; drop one'
            )
        self._check_ranges()

    def _check_ranges(self) -> None:
        schedule = self.schedule
        num_steps = schedule.get('num_steps', 1)
        if num_steps != int(num_steps) or num_steps < 1:
            raise ValueError(
                f'num_steps must be a whole number >= 1, got {num_steps}; for '
                'a share of the training use fraction'
            )
        hold = schedule.get('hold', 0)
        if hold != int(hold) or hold < 0:
            raise ValueError(
                f'hold must be a whole number >= 0, got {hold}; for a share '
                'of the training use hold_fraction'
            )
        if not 0 < schedule.get('fraction', 1) <= 1:
            raise ValueError(
                f'fraction must be in (0, 1], got {schedule["fraction"]}'
            )
        if not 0 <= schedule.get('hold_fraction', 0) < 1:
            raise ValueError(
                'hold_fraction must be in [0, 1), got '
                f'{schedule["hold_fraction"]}'
            )

    @property
    def needs_length(self) -> bool:
        """Whether the schedule depends on the length of the training."""
        return bool({'fraction', 'hold_fraction'} & set(self.schedule))

    def ramp(self, max_iters: int | None = None) -> CosineRamp:
        """Return the schedule in iterations.

        Args:
            max_iters: Iterations of the training; needed for fractions.

        Raises:
            ValueError: If it is needed and None.
        """
        if self.needs_length and max_iters is None:
            raise ValueError(
                f'schedule of {self.attribute!r} is a fraction of the '
                'training; say its number of iterations'
            )
        schedule, total = self.schedule, max_iters or 0
        num_steps = schedule.get('num_steps')
        if num_steps is None:
            num_steps = max(1, round(schedule['fraction'] * total))
        hold = schedule.get('hold')
        if hold is None:
            hold = round(schedule.get('hold_fraction', 0) * total)
        return CosineRamp(
            float(schedule['start']),
            float(schedule['end']),
            int(num_steps),
            int(hold),
        )

    def value(self, step: int, max_iters: int | None = None) -> float:
        """Return the number at an iteration.

        Args:
            step: Iteration, from 0.
            max_iters: Iterations of the training; needed for fractions.
        """
        return self.ramp(max_iters).value(step)

    def _owner(self, runner: Runner) -> tuple[nn.Module, str]:
        """Return the part of the unwrapped model that has the attribute."""
        model = unwrapped(runner.model)
        *path, name = self.attribute.split('.')
        owner = model
        for part in path:
            owner = getattr(owner, part, None)
        if owner is None or not hasattr(owner, name):
            raise ValueError(
                f'ScheduledValueHook: {type(model).__name__} has no attribute '
                f'{self.attribute!r}; name a float of the model, with dots to '
                'reach its parts'
            )
        return owner, name

    def before_train(self, runner: Runner) -> None:
        """Check the attribute, and turn fractions into iterations.

        Args:
            runner: The runner of the training.
        """
        owner, name = self._owner(runner)
        current = getattr(owner, name)
        if isinstance(current, bool) or not isinstance(current, Real):
            raise TypeError(
                f'ScheduledValueHook: {self.attribute!r} must be a number, '
                f'got {type(current).__name__}'
            )
        self._ramp = self.ramp(runner.max_iters)

    def before_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | tuple | list | None = None,
    ) -> None:
        """Write the number of this iteration onto the model.

        Args:
            runner: The runner of the training.
            batch_idx: Unused.
            data_batch: Unused.
        """
        if self._ramp is None:
            self._ramp = self.ramp(runner.max_iters)
        value = self._ramp.value(runner.iter)
        owner, name = self._owner(runner)
        setattr(owner, name, value)
        if self.log:
            runner.message_hub.update_scalar(f'train/{self.attribute}', value)
