"""The learning rates that the released training loops really use."""

from __future__ import annotations

import math

from mmengine.optim import BaseOptimWrapper
from mmengine.optim.scheduler.param_scheduler import INF, _ParamScheduler
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
    """Return the released scheduler's value for an epoch.

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


@PARAM_SCHEDULERS.register_module()
class ReleasedCosineLR(_ParamScheduler):
    """Warm-up and cosine as the released training loops apply them.

    They step the scheduler with the number of the epoch that has just ended,
    so epoch e runs with the value of e - 1 and the first two epochs both run
    at ``warmup_lr``; and they train epochs 0 to ``num_epochs`` inclusive, for
    which ``train_cfg`` has to say ``max_epochs=num_epochs + 1``. It is here
    to reproduce; our configs use MMEngine's LinearLR and CosineAnnealingLR.

    Args:
        optimizer: The optimiser or its wrapper.
        num_epochs: See :func:`released_cosine_lr`.
        warmup_epochs: See :func:`released_cosine_lr`.
        warmup_lr: See :func:`released_cosine_lr`.
        eta_min: See :func:`released_cosine_lr`.
        delay: Epochs by which the value comes late: 1 as released, 0 for the
            schedule that was meant.
        begin: First epoch in which rates are set.
        end: Epoch from which they are kept.
        last_step: Of MMEngine's schedulers.
        by_epoch: Must be True; the released loops step once an epoch.
        verbose: Whether rates are printed.

    Raises:
        ValueError: If ``by_epoch`` is False, ``delay`` negative, or the
            warm-up not shorter than the training.

    Source: ACT (d580115) ``tools/runner_pretrain.py``; numbers of
    ``reference/README.md`` section 7.

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
        warmup_lr: float = 1e-6,
        eta_min: float = 1e-7,
        delay: int = 1,
        begin: int = 0,
        end: int = INF,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        if not by_epoch:
            raise ValueError(
                'ReleasedCosineLR steps once an epoch, got by_epoch=False; '
                'use LinearLR and CosineAnnealingLR for rates by iteration'
            )
        if delay < 0:
            raise ValueError(f'delay must be >= 0, got {delay}')
        if not 0 <= warmup_epochs < num_epochs:
            raise ValueError(
                'warmup_epochs must be in [0, num_epochs), got '
                f'{warmup_epochs} with num_epochs={num_epochs}'
            )
        self.num_epochs = num_epochs
        self.warmup_epochs = warmup_epochs
        self.warmup_lr = warmup_lr
        self.eta_min = eta_min
        self.delay = delay
        super().__init__(
            optimizer, 'lr', begin, end, last_step, by_epoch, verbose
        )

    def _get_value(self) -> list[float]:
        """Return the rate of every parameter group for this epoch."""
        epoch = max(self.last_step - self.delay, 0)
        return [
            released_cosine_lr(
                epoch,
                base,
                num_epochs=self.num_epochs,
                warmup_epochs=self.warmup_epochs,
                warmup_lr=self.warmup_lr,
                eta_min=self.eta_min,
            )
            for base in self.base_values
        ]
