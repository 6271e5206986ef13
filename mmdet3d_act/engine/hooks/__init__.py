"""Hooks: what depends on the time of a training."""

from mmdet3d_act.engine.hooks.iteration_seed_hook import IterationSeedHook
from mmdet3d_act.engine.hooks.prepare_targets_hook import PrepareTargetsHook
from mmdet3d_act.engine.hooks.reconstruction_hook import ReconstructionHook
from mmdet3d_act.engine.hooks.scheduled_value_hook import (
    CosineRamp,
    ScheduledValueHook,
)

__all__ = [
    'CosineRamp',
    'IterationSeedHook',
    'PrepareTargetsHook',
    'ReconstructionHook',
    'ScheduledValueHook',
]
