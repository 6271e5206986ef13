"""Stops a training that has become not a number."""

from __future__ import annotations

import math
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.optim import AmpOptimWrapper
from mmengine.runner import Runner
from torch import Tensor
from torch.optim import Optimizer

from mmdet3d_act.engine.distributed import unwrapped
from mmdet3d_act.engine.failures import NonFiniteError
from mmdet3d_act.registry import HOOKS
from mmdet3d_act.text import check_least


@HOOKS.register_module()
class FiniteCheckHook(Hook):
    """Stops at the first loss that is not finite; saves no such weights.

    It reads the losses that MMEngine has copied to the CPU for its log, so a
    GPU is not waited for once more. The norm of the gradients is checked
    where ``clip_grad`` computes it, but for mixed precision with a scale,
    which has steps of its own that it leaves out.

    Args:
        max_skipped: How many steps in a row may be left out because their
            gradients are not finite, before the training stops. Above 0, a
            GPU is waited for in every step.

    Raises:
        ValueError: If ``max_skipped`` is negative.
    """

    def __init__(self, max_skipped: int = 0) -> None:
        check_least('max_skipped', max_skipped, 0)
        self.max_skipped = max_skipped
        self.num_skipped = 0

    def before_train(self, runner: Runner) -> None:
        """Look at the gradients before each step, where steps may be skipped.

        An optimiser leaves a parameter without a gradient as it is.
        """
        if self.max_skipped and not _scales(runner):
            optimizer = runner.optim_wrapper.optimizer
            self._handle = optimizer.register_step_pre_hook(self._skip)

    def after_train(self, runner: Runner) -> None:
        """Take the look at the gradients away again."""
        if self.max_skipped and not _scales(runner):
            self._handle.remove()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Check the logged losses of the iteration.

        Raises:
            NonFiniteError: If one is not finite, or too many steps in a row
                were left out.
        """
        hub = runner.message_hub
        names = [f'train/{name}' for name in outputs or {}]
        if not _scales(runner) and 'train/grad_norm' in hub.log_scalars:
            names.append('train/grad_norm')
        values = {name: hub.get_scalar(name).current() for name in names}
        if self.num_skipped <= self.max_skipped and (
            self.num_skipped or all(map(math.isfinite, values.values()))
        ):
            return
        samples = (data_batch or {}).get('data_samples') or []
        indices = [getattr(sample, 'sample_idx', '?') for sample in samples]
        terms = ', '.join(
            f'{name.removeprefix("train/")} {value:.6g}'
            for name, value in values.items()
        )
        raise NonFiniteError(
            f'iteration {runner.iter + 1}: not finite: {terms}; samples '
            f'{indices}. Nothing was saved after it. Try a lower learning '
            'rate, a longer warm-up, optim_wrapper.clip_grad, or '
            "custom_hooks=[dict(type='FiniteCheckHook', max_skipped=5)]; "
            'checkpoints from before it go on by --resume'
        )

    def after_train_epoch(self, runner: Runner) -> None:
        """Stop all processes, not only the one that saves.

        Raises:
            NonFiniteError: If a trained weight is not finite.
        """
        self.before_save_checkpoint(runner)

    def before_save_checkpoint(
        self, runner: Runner, checkpoint: dict | None = None
    ) -> None:
        """Refuse to save trained weights that are not finite.

        Raises:
            NonFiniteError: If there are some.
        """
        for name, value in _trained(runner).items():
            if not torch.isfinite(value).all():
                raise NonFiniteError(
                    f'{name} is not finite; the checkpoint is not saved, the '
                    'ones before are kept. '
                    'Go on from one by --resume, with a lower learning rate '
                    'or optim_wrapper.clip_grad'
                )

    def _skip(self, optimizer: Optimizer, *_: object) -> None:
        grads = [
            parameter.grad
            for group in optimizer.param_groups
            for parameter in group['params']
            if parameter.grad is not None
        ]
        norms = torch.stack(torch._foreach_norm(grads))
        if torch.isfinite(norms).all():
            self.num_skipped = 0
        else:
            self.num_skipped += 1
            optimizer.zero_grad(set_to_none=True)


def _scales(runner: Runner) -> bool:
    return isinstance(runner.optim_wrapper, AmpOptimWrapper)


def _trained(runner: Runner) -> dict[str, Tensor]:
    """Collect trained parameters and the statistics of batch norms."""
    model = unwrapped(runner.model)
    tensors: dict[str, Any] = {
        name: value
        for name, value in model.named_parameters()
        if value.requires_grad
    }
    for name, value in model.named_buffers():
        if name.endswith(('running_mean', 'running_var')):
            tensors[name] = value
    return tensors
