"""Mixed precision where there is no accelerator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from mmdet3d_act.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class CPUAmpOptimWrapper(OptimWrapper):
    """Runs a train step on CPU under autocast to bfloat16.

    MMEngine's AmpOptimWrapper asserts an accelerator. bfloat16 has the range
    of float32, so the loss needs no scaling. Parameters, gradients and the
    optimiser's state stay float32. On CPUs without bfloat16 instructions it
    is slower than float32.

    Args:
        dtype: ``'bfloat16'``, or ``'float16'`` where PyTorch supports it on
            CPU; gradients may vanish in the latter.
        **kwargs: Arguments of MMEngine's OptimWrapper.

    Raises:
        ValueError: If ``dtype`` is none of these.

    Example:
        >>> optim_wrapper = dict(
        ...     type='CPUAmpOptimWrapper',
        ...     optimizer=dict(type='AdamW', lr=1e-3))
    """

    def __init__(self, dtype: str = 'bfloat16', **kwargs: Any) -> None:
        if dtype not in ('bfloat16', 'float16'):
            raise ValueError(
                f"dtype must be 'bfloat16' or 'float16', got {dtype!r}; for "
                'full precision use OptimWrapper'
            )
        super().__init__(**kwargs)
        self.cast_dtype = getattr(torch, dtype)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast the forward pass of a train step.

        Args:
            model: The model that is trained, on CPU.

        Yields:
            Nothing.
        """
        with (
            super().optim_context(model),
            torch.autocast('cpu', dtype=self.cast_dtype),
        ):
            yield
