"""Hooks: what depends on the time of a training."""

from mmdet3d_act.engine.hooks.checkpoint_fit_hook import CheckpointFitHook
from mmdet3d_act.engine.hooks.class_check_hook import ClassCheckHook
from mmdet3d_act.engine.hooks.class_weight_hook import ClassWeightHook
from mmdet3d_act.engine.hooks.confusion_matrix_hook import ConfusionMatrixHook
from mmdet3d_act.engine.hooks.iteration_seed_hook import IterationSeedHook
from mmdet3d_act.engine.hooks.prepare_targets_hook import PrepareTargetsHook
from mmdet3d_act.engine.hooks.reconstruction_hook import ReconstructionHook
from mmdet3d_act.engine.hooks.save_best_hook import SaveBestCheckHook
from mmdet3d_act.engine.hooks.schedule_fit_hook import ScheduleFitHook
from mmdet3d_act.engine.hooks.scheduled_value_hook import (
    CosineRamp,
    ScheduledValueHook,
)
from mmdet3d_act.engine.hooks.stored_target_hook import StoredTargetHook

__all__ = [
    'CheckpointFitHook',
    'ClassCheckHook',
    'ClassWeightHook',
    'ConfusionMatrixHook',
    'CosineRamp',
    'IterationSeedHook',
    'PrepareTargetsHook',
    'ReconstructionHook',
    'SaveBestCheckHook',
    'ScheduleFitHook',
    'ScheduledValueHook',
    'StoredTargetHook',
]
