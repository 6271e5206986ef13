"""Mixed precision on a CPU; parameter groups by their options."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from mmdet3d_act.registry import OPTIM_WRAPPERS
from mmdet3d_act.text import inform, quiet_log

# MMEngine leaves these arguments of custom_keys in the groups; they have gone
# into the learning rate and the decay by then.
_SPENT_OPTIONS = ('lr_mult', 'decay_mult')
# MMEngine's, and what the constructor below adds.
PARAMWISE_KEYS = {
    'bias_decay_mult',
    'bias_lr_mult',
    'bypass_duplicate',
    'custom_keys',
    'dcn_offset_lr_mult',
    'dwconv_decay_mult',
    'flat_decay_mult',
    'layer_decay',
    'norm_decay_mult',
}


@OPTIM_WRAPPERS.register_module()
class CPUAmpOptimWrapper(OptimWrapper):
    """Runs a train step on CPU under autocast to bfloat16.

    MMEngine's AmpOptimWrapper asserts an accelerator. bfloat16 has the range
    of float32, so the loss needs no scaling. Parameters, gradients and the
    optimiser's state stay float32. On CPUs without bfloat16 instructions it
    is slower than float32.

    Example:
        >>> optim_wrapper = dict(
        ...     type='CPUAmpOptimWrapper',
        ...     optimizer=dict(type='AdamW', lr=1e-3))
    """

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
            torch.autocast('cpu', dtype=torch.bfloat16),
        ):
            yield


def merge_param_groups(
    groups: Sequence[dict], defaults: dict | None = None
) -> list[dict]:
    """Merge groups so that every set of options occurs once.

    Args:
        groups: Groups with ``params`` (a list) and options.
        defaults: Options of groups that do not state them.

    Returns:
        Groups in the order in which their options first occur, the parameters
        of each in their order.
    """
    merged: dict[tuple, dict] = {}
    for group in groups:
        options = {**(defaults or {}), **group}
        params = options.pop('params')
        for name in _SPENT_OPTIONS:
            options.pop(name, None)
        key = tuple(sorted((name, repr(v)) for name, v in options.items()))
        merged.setdefault(key, {'params': [], **options})
        merged[key]['params'].extend(params)
    return list(merged.values())


def layer_scales(model: nn.Module, decay: float) -> dict[str, float]:
    """Compute the factor of each parameter's learning rate by its depth.

    The backbone has ``blocks``. Their last one has the factor ``decay``, each
    one before it ``decay`` times that of the next, and what the backbone has
    before its blocks that of the first one times ``decay``. What it has after
    them, and everything that is not the backbone's, keeps its rate.

    Args:
        model: With a ``backbone``.
        decay: In (0, 1].

    Returns:
        Factors by the names of the backbone's parameters.

    Raises:
        ValueError: If ``decay`` is out of range, or the model has no such
            backbone.

    Source: Clark et al., ELECTRA, ICLR 2020; Bao et al., BEiT, ICLR 2022.
    """
    if not 0 < decay <= 1:
        raise ValueError(f'layer_decay must be in (0, 1], got {decay}')
    backbone = getattr(model, 'backbone', None)
    blocks = getattr(backbone, 'blocks', None)
    if not isinstance(blocks, nn.ModuleList):
        raise ValueError(
            'layer_decay needs a model whose backbone has blocks, got '
            f'{type(model).__name__} with {type(backbone).__name__}; leave '
            'layer_decay out of paramwise_cfg'
        )
    parts = [name for name, _ in backbone.named_children()]
    later = set(parts[parts.index('blocks') + 1 :])
    scales = {}
    for name, _ in backbone.named_parameters():
        part, _, rest = name.partition('.')
        power = len(blocks) + 1
        if part == 'blocks':
            power = len(blocks) - int(rest.partition('.')[0])
        elif part in later:
            power = 0
        scales[f'backbone.{name}'] = decay**power
    return scales


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class GroupedOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """MMEngine's constructor with few groups and few lines in the log.

    With ``paramwise_cfg`` MMEngine makes one group for every parameter and
    logs a line or more for each, also for the frozen ones of a teacher. Here
    parameters with the same options share a group, which lets PyTorch update
    them together, and the log has a line for every group.

    Args:
        optim_wrapper_cfg: Config of the optimiser wrapper.
        paramwise_cfg: MMEngine's rules for single parameters, and
            ``layer_decay``: the learning rates of a fine-tuned backbone fall
            by this factor from block to block towards the input, see
            :func:`layer_scales`.

    Example:
        >>> optim_wrapper = dict(
        ...     constructor='GroupedOptimWrapperConstructor',
        ...     optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
        ...     paramwise_cfg=dict(bias_decay_mult=0.0))
    """

    def _validate_cfg(self) -> None:
        """Refuse what nothing would read, beside what MMEngine refuses."""
        super()._validate_cfg()
        unknown = set(self.paramwise_cfg) - PARAMWISE_KEYS
        if unknown:
            raise ValueError(
                f'paramwise_cfg has {sorted(unknown)}, which nothing reads; '
                f'known are {sorted(PARAMWISE_KEYS)}'
            )

    def add_params(
        self,
        params: list[dict],
        module: nn.Module,
        prefix: str = '',
        is_dcn_module: int | float | None = None,
    ) -> None:
        """Add the trainable parameters of a module to the groups.

        Args:
            params: Groups so far, changed in place.
            module: The module; the whole model where ``prefix`` is empty.
            prefix: Name of the module in the model.
            is_dcn_module: Of MMEngine's constructor.
        """
        if prefix:
            super().add_params(params, module, prefix, is_dcn_module)
            return
        # It has a line for every parameter, a warning for each frozen one.
        with quiet_log('ERROR'):
            super().add_params(params, module)
        if 'layer_decay' in self.paramwise_cfg:
            self._scale_by_depth(params, module)
        defaults = {'lr': self.base_lr, 'weight_decay': self.base_wd}
        params[:] = merge_param_groups(
            params, {k: v for k, v in defaults.items() if v is not None}
        )
        for group in params:
            size = sum(param.numel() for param in group['params'])
            options = {k: v for k, v in group.items() if k != 'params'}
            inform(
                f'Trained with {options}: {len(group["params"])} parameters '
                f'({size / 1e6:.2f} M values)'
            )

    def _scale_by_depth(self, params: list[dict], model: nn.Module) -> None:
        scales = layer_scales(model, self.paramwise_cfg['layer_decay'])
        names = {id(param): name for name, param in model.named_parameters()}
        for group in params:
            (param,) = group['params']
            scale = scales.get(names[id(param)], 1.0)
            group['lr'] = group.get('lr', self.base_lr) * scale
