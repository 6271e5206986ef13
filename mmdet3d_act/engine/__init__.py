"""What drives a training: hooks, optimisation, processes, checks."""

from mmdet3d_act.engine.distributed import CPUDistributedDataParallel
from mmdet3d_act.engine.hooks import (
    CosineRamp,
    IterationSeedHook,
    ScheduledValueHook,
)
from mmdet3d_act.engine.loops import VotingTestLoop
from mmdet3d_act.engine.optim import (
    CPUAmpOptimWrapper,
    GroupedOptimWrapperConstructor,
)
from mmdet3d_act.engine.preflight import collect_problems, format_problems
from mmdet3d_act.engine.schedulers import (
    ProgressCosineLR,
    ReleasedCosineLR,
    released_cosine_lr,
)

__all__ = [
    'CPUAmpOptimWrapper',
    'CPUDistributedDataParallel',
    'CosineRamp',
    'GroupedOptimWrapperConstructor',
    'IterationSeedHook',
    'ProgressCosineLR',
    'ReleasedCosineLR',
    'ScheduledValueHook',
    'VotingTestLoop',
    'collect_problems',
    'format_problems',
    'released_cosine_lr',
]
