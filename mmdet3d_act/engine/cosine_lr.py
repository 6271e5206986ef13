"""Cosine learning rates of published training loops, with a warm-up."""

from __future__ import annotations

import math
from typing import Any

from mmengine.optim import BaseOptimWrapper
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from torch.optim import Optimizer

from mmdet3d_act.registry import PARAM_SCHEDULERS


def released_cosine_lr(
    epoch: int,
    base_lr: float,
    *,
    num_epochs: int,
    warmup_epochs: int = 10,
    warmup_lr: float = 1e-6,
    eta_min: float = 1e-7,
) -> float:
    """Compute the published scheduler's value for an epoch.

    Linear from ``warmup_lr`` to ``base_lr`` over the warm-up, then the cosine
    of the total progress: the warm-up does not shift it, so the rate drops a
    little where the cosine takes over.

    Args:
        epoch: Argument of the scheduler, >= 0.
        base_lr: Learning rate of the optimiser.
        num_epochs: Epochs of the cosine's half period.
        warmup_epochs: Epochs of the warm-up.
        warmup_lr: Rate at epoch 0.
        eta_min: Rate from ``num_epochs`` on.

    Source: the CosineLRScheduler that ACT (d580115) builds in
    ``tools/builder.py``, with ``warmup_prefix`` off and one cycle.
    """
    if epoch < warmup_epochs:
        return warmup_lr + (base_lr - warmup_lr) * epoch / warmup_epochs
    progress = min(epoch / num_epochs, 1.0)
    return (
        eta_min + (base_lr - eta_min) * (1 + math.cos(math.pi * progress)) / 2
    )


class _WarmupCosineLR(_ParamScheduler):
    """Base of the schedules by :func:`released_cosine_lr`."""

    def __init__(
        self,
        optimizer: Optimizer | BaseOptimWrapper,
        *,
        length: int,
        warmup: int,
        warmup_lr: float = 1e-6,
        eta_min: float = 1e-7,
        **options: Any,
    ) -> None:
        if not 0 <= warmup < length:
            raise ValueError(
                f'the warm-up must be shorter than the training, got {warmup} '
                f'of {length}'
            )
        self.length = length
        self.warmup = warmup
        self.warmup_lr = warmup_lr
        self.eta_min = eta_min
        super().__init__(optimizer, 'lr', **options)

    def _values(self, step: int) -> list[float]:
        """Compute the rate of every parameter group at a step."""
        return [
            released_cosine_lr(
                step,
                base,
                num_epochs=self.length,
                warmup_epochs=self.warmup,
                warmup_lr=self.warmup_lr,
                eta_min=self.eta_min,
            )
            for base in self.base_values
        ]


@PARAM_SCHEDULERS.register_module()
class ReleasedCosineLR(_WarmupCosineLR):
    """Warm-up and cosine as the published training loops apply them.

    They step the scheduler with the number of the epoch that has just ended,
    so epoch e runs with the value of e - 1 and the first two epochs both run
    at ``warmup_lr``; and they train epochs 0 to ``num_epochs`` inclusive, for
    which ``train_cfg`` has to say ``max_epochs=num_epochs + 1``. It is here
    to reproduce; our configs use MMEngine's LinearLR and CosineAnnealingLR.

    Args:
        optimizer: The optimiser or its wrapper.
        num_epochs: See :func:`released_cosine_lr`.
        warmup_epochs: See :func:`released_cosine_lr`.
        **options: ``warmup_lr`` and ``eta_min``, and those of MMEngine's
            schedulers.

    Source: ACT (d580115) ``tools/runner_pretrain.py``.

    Example:
        >>> param_scheduler = [
        ...     dict(type='ReleasedCosineLR', num_epochs=300)]
        >>> train_cfg = dict(by_epoch=True, max_epochs=301)
    """

    def __init__(
        self,
        optimizer: Optimizer | BaseOptimWrapper,
        *,
        num_epochs: int,
        warmup_epochs: int = 10,
        **options: Any,
    ) -> None:
        super().__init__(
            optimizer, length=num_epochs, warmup=warmup_epochs, **options
        )

    def _get_value(self) -> list[float]:
        return self._values(max(self.last_step - 1, 0))


@PARAM_SCHEDULERS.register_module()
class ProgressCosineLR(_WarmupCosineLR):
    """Learning rate of 3DETR: a line, then the rest of one long cosine.

    Linear from ``warmup_lr`` to the optimiser's rate; then the half period
    of a cosine that began with the training, not with the end of the
    warm-up, as MMEngine's would. With ``convert_to_iter_based=True`` in a
    config the rate changes with every step, as in the published code.

    Args:
        optimizer: The optimiser or its wrapper.
        warmup: Epochs, or steps, of the warm-up.
        end: Those of the training.
        eta_min: Rate at the end.
        **options: ``warmup_lr``, the rate at the beginning, and those of
            MMEngine's schedulers.

    Source: Misra et al., 3DETR, ICCV 2021, published code.

    Example:
        >>> param_scheduler = [
        ...     dict(
        ...         type='ProgressCosineLR',
        ...         warmup=9,
        ...         end=1080,
        ...         convert_to_iter_based=True,
        ...     )
        ... ]
    """

    def __init__(
        self,
        optimizer: Optimizer | BaseOptimWrapper,
        *,
        warmup: int,
        end: int,
        eta_min: float = 1e-6,
        **options: Any,
    ) -> None:
        options.update(length=end, warmup=warmup, eta_min=eta_min, end=end)
        super().__init__(optimizer, **options)

    @classmethod
    def build_iter_from_epoch(
        cls,
        *args: Any,
        warmup: int,
        end: int,
        epoch_length: int,
        **options: Any,
    ) -> ProgressCosineLR:
        """Build the scheduler that changes with every step.

        Args:
            *args: See the class.
            warmup: In epochs.
            end: In epochs.
            epoch_length: Steps of an epoch.
            **options: See the class.
        """
        options['by_epoch'] = False
        return cls(
            *args,
            warmup=warmup * epoch_length,
            end=end * epoch_length,
            **options,
        )

    def _get_value(self) -> list[float]:
        if 0 < self.last_step == self.warmup:
            return list(self.base_values)
        return self._values(self.last_step)
