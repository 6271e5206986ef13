"""Warm-up, then the cosine of the total progress, step by step."""

from __future__ import annotations

from typing import Any

from mmengine.optim import BaseOptimWrapper
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from torch.optim import Optimizer

from mmdet3d_act.engine.schedulers.released_cosine_lr import (
    released_cosine_lr,
)
from mmdet3d_act.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class ProgressCosineLR(_ParamScheduler):
    """Learning rate of 3DETR: a line, then the rest of one long cosine.

    Linear from ``warmup_lr`` to the optimiser's rate; then the half period
    of a cosine that began with the training, not with the end of the
    warm-up, as MMEngine's would.

    Args:
        optimizer: The optimiser or its wrapper.
        warmup: Epochs, or steps, of the warm-up.
        end: Those of the training.
        warmup_lr: Rate at the beginning.
        eta_min: Rate at the end.
        begin: Must be 0.
        last_step: Of MMEngine's schedulers.
        by_epoch: Whether ``warmup`` and ``end`` are epochs. With
            ``convert_to_iter_based=True`` in a config they are, and the rate
            changes with every step nevertheless, as in the release.
        verbose: Whether rates are printed.

    Raises:
        ValueError: If ``begin`` is not 0, or the warm-up not shorter than
            the training.

    Source: Misra et al., 3DETR, ICCV 2021, released code.

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
        warmup_lr: float = 1e-6,
        eta_min: float = 1e-6,
        begin: int = 0,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        if begin:
            raise ValueError(
                'the cosine is that of the total progress and begins with '
                f'the training: begin must be 0, got {begin}'
            )
        if not 0 <= warmup < end:
            raise ValueError(
                f'warmup must be in [0, end), got {warmup} with end={end}'
            )
        self.warmup = warmup
        self.warmup_lr = warmup_lr
        self.eta_min = eta_min
        super().__init__(
            optimizer, 'lr', begin, end, last_step, by_epoch, verbose
        )

    @classmethod
    def build_iter_from_epoch(
        cls,
        *args: object,
        warmup: int,
        end: int,
        epoch_length: int,
        by_epoch: bool = True,
        **kwargs: Any,
    ) -> ProgressCosineLR:
        """Return the scheduler that changes with every step.

        Args:
            *args: See the class.
            warmup: In epochs.
            end: In epochs.
            epoch_length: Steps of an epoch.
            by_epoch: Must be True.
            **kwargs: See the class.

        Raises:
            ValueError: If ``by_epoch`` is False.
        """
        if not by_epoch:
            raise ValueError(
                'only a schedule in epochs can be converted to steps, got '
                'by_epoch=False; leave convert_to_iter_based out'
            )
        return cls(
            *args,
            warmup=warmup * epoch_length,
            end=end * epoch_length,
            by_epoch=False,
            **kwargs,
        )

    def _get_value(self) -> list[float]:
        """Return the rate of every parameter group for this step."""
        if 0 < self.last_step == self.warmup:
            return list(self.base_values)
        return [
            released_cosine_lr(
                self.last_step,
                base,
                num_epochs=self.end,
                warmup_epochs=self.warmup,
                warmup_lr=self.warmup_lr,
                eta_min=self.eta_min,
            )
            for base in self.base_values
        ]
