"""Optimiser wrappers and their construction."""

from mmdet3d_act.engine.optim.cpu_amp_optim_wrapper import CPUAmpOptimWrapper
from mmdet3d_act.engine.optim.grouped_constructor import (
    GroupedOptimWrapperConstructor,
    layer_scales,
    merge_param_groups,
)

__all__ = [
    'CPUAmpOptimWrapper',
    'GroupedOptimWrapperConstructor',
    'layer_scales',
    'merge_param_groups',
]
