"""Trainings whose weights and states are shared out to the processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from mmengine._strategy import FSDPStrategy
from mmengine.device import get_device
from mmengine.dist import is_main_process
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import STRATEGIES
from mmengine.runner.checkpoint import save_checkpoint
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel

from mmdet3d_act.engine.distributed import unwrapped
from mmdet3d_act.engine.failures import UsageError
from mmdet3d_act.models.layers.frozen import FrozenModule


@STRATEGIES.register_module()
class ShardedStrategy(FSDPStrategy):
    """FSDP of what is trained, with the checkpoints of one process.

    Gradients, states of the optimizer and, between steps, weights are shared
    out to the processes. Frozen parts, which have neither gradients nor
    states, stay whole. MMEngine's `FSDPStrategy` groups parameters by the
    shapes of their shares, resumes in PyTorch 2.0 only (the arguments of
    ``optim_state_dict_to_load`` changed places), writes in place, and ends
    in a segmentation fault on CPUs, where PyTorch 2.11 offloads what is on
    the CPU already.

    Args:
        model_wrapper: Arguments of `MMFullyShardedDataParallel`.
        **kwargs: Further arguments of `FSDPStrategy`.
    """

    def __init__(
        self, *, model_wrapper: dict | None = None, **kwargs: Any
    ) -> None:
        super().__init__(state_dict_cfg='full', **kwargs)
        self._chosen = dict(model_wrapper or {})
        self._on_cpu = not torch.cuda.is_available()
        for config in (self.state_dict_config, self.optim_state_dict_config):
            config.offload_to_cpu = config.rank0_only = not self._on_cpu

    def prepare(
        self, model: nn.Module | dict, *, optim_wrapper: dict, **kwargs: Any
    ) -> tuple:
        """Group the parameters by their shapes, then share them out.

        Raises:
            UsageError: If gradients are clipped, by the norm of each share.
        """
        if optim_wrapper.get('clip_grad'):
            raise UsageError(
                'optim_wrapper.clip_grad does not go with FSDP, where each '
                'process knows the norm of its share only; leave it out'
            )
        if optim_wrapper.get('type') == 'AmpOptimWrapper':
            # A step is left out by all processes or by none.
            optim_wrapper.setdefault('use_fsdp', True)
        model = self.build_model(model)
        optim_wrapper = build_optim_wrapper(model, optim_wrapper)
        return super().prepare(model, optim_wrapper=optim_wrapper, **kwargs)

    def _wrap_model(self, model: nn.Module) -> nn.Module:
        frozen = [m for m in model.modules() if isinstance(m, FrozenModule)]
        chosen = {'ignored_modules': frozen, **self._chosen}
        if self._on_cpu:
            chosen['device_id'] = torch.device('cpu')
        else:
            for module in frozen:
                module.to(get_device())
        self.model_wrapper = dict(type='MMFullyShardedDataParallel', **chosen)
        return super()._wrap_model(model)

    def build_optim_wrapper(
        self, optim_wrapper: OptimWrapper, model: nn.Module | None = None
    ) -> OptimWrapper:
        """Give the optimizer this process's shares."""
        prefix = '_fsdp_wrapped_module.'
        named = dict(model.named_parameters())
        shares = {k.replace(prefix, ''): v for k, v in named.items()}
        groups = optim_wrapper.optimizer.param_groups
        self._names: list[str] = []
        for group in groups:
            names = [self.id_to_name[id(one)] for one in group['params']]
            group['params'] = [shares[name] for name in names]
            self._names += names
        optim_wrapper.optimizer = type(optim_wrapper.optimizer)(groups)
        return optim_wrapper

    def model_state_dict(self) -> dict:
        """Collect the whole state dict, as of one process."""
        with FullyShardedDataParallel.summon_full_params(
            self.model,
            writeback=False,
            rank0_only=not self._on_cpu,
            offload_to_cpu=not self._on_cpu,
        ):
            state = unwrapped(self.model).state_dict()
            return {name: value.clone() for name, value in state.items()}

    def load_checkpoint(self, filename: str, **kwargs: Any) -> dict:
        """Load whole weights; hooks that compare them see the whole model."""
        with FullyShardedDataParallel.summon_full_params(self.model):
            return super().load_checkpoint(filename, **kwargs)

    def load_model_state_dict(self, state_dict: dict, **kwargs: Any) -> None:
        """Load a whole state dict."""
        unwrapped(self.model).load_state_dict(state_dict, strict=False)

    def optim_state_dict(self) -> dict:
        """Collect the states of all processes, by number as in one."""
        state = self.optim_wrapper.state_dict()
        found = FullyShardedDataParallel.optim_state_dict(
            self.model, self.optim_wrapper.optimizer
        )
        whole = found.get('state', {})
        numbered = enumerate(self._names)
        state['state'] = {i: whole[k] for i, k in numbered if k in whole}
        return state

    def load_optim_state_dict(self, state_dict: dict) -> None:
        """Share out the states of one process."""
        groups = [
            {**group, 'params': [self._names[i] for i in group['params']]}
            for group in state_dict['param_groups']
        ]
        named = {self._names[i]: v for i, v in state_dict['state'].items()}
        shares = FullyShardedDataParallel.optim_state_dict_to_load(
            self.model,
            self.optim_wrapper.optimizer,
            dict(state=named, param_groups=groups),
        )
        self.optim_wrapper.load_state_dict({**state_dict, **shares})

    def save_checkpoint(
        self,
        filename: str,
        *,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        extra_ckpt: dict | None = None,
        callback: Callable[[dict], None] | None = None,
    ) -> None:
        """Save a checkpoint of all processes by the first, whole or not."""
        state = {'state_dict': self.model_state_dict(), **(extra_ckpt or {})}
        state.setdefault('meta', {})['seed'] = self.seed
        if save_optimizer:
            state['optimizer'] = self.optim_state_dict()
        if save_param_scheduler and hasattr(self, 'param_schedulers'):
            state['param_schedulers'] = self.scheduler_state_dict()
        if callback is not None:
            callback(state)
        if is_main_process():
            atomic = dict(backend='atomic')
            save_checkpoint(state, filename, backend_args=atomic)
