"""Logs the losses of all processes."""

from __future__ import annotations

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmdet3d_act.registry import HOOKS


@HOOKS.register_module()
class MeanLossHook(Hook):
    """Replaces the logged values of an iteration by their mean over processes.

    MMEngine logs those of the first process alone.
    """

    # Before MMEngine puts them into its log.
    priority = 'HIGHEST'

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Average the outputs in place."""
        names = sorted(outputs or {})
        if not names:
            return
        device = next(runner.model.parameters()).device
        values = torch.stack(
            [
                torch.as_tensor(outputs[name], device=device)
                .detach()
                .float()
                .mean()
                for name in names
            ]
        )
        all_reduce(values, op='mean')
        outputs.update(zip(names, values, strict=True))
