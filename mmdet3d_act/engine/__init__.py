"""What drives a training: hooks, optimisation, processes, checks."""

from mmdet3d_act.engine.cosine_lr import (
    ProgressCosineLR,
    ReleasedCosineLR,
    released_cosine_lr,
)
from mmdet3d_act.engine.hooks import (
    CosineRamp,
    IterationSeedHook,
    ScheduledValueHook,
)
from mmdet3d_act.engine.optim import (
    CPUAmpOptimWrapper,
    GroupedOptimWrapperConstructor,
)
from mmdet3d_act.engine.voting_test_loop import VotingTestLoop
