"""Hooks: what depends on the time of a training."""

from mmdet3d_act.engine.hooks.atomic_checkpoint_hook import (
    AtomicCheckpointHook,
)
from mmdet3d_act.engine.hooks.checkpoint_fit_hook import CheckpointFitHook
from mmdet3d_act.engine.hooks.class_check_hook import ClassCheckHook
from mmdet3d_act.engine.hooks.class_weight_hook import ClassWeightHook
from mmdet3d_act.engine.hooks.confusion_matrix_hook import ConfusionMatrixHook
from mmdet3d_act.engine.hooks.finite_check_hook import FiniteCheckHook
from mmdet3d_act.engine.hooks.iteration_seed_hook import IterationSeedHook
from mmdet3d_act.engine.hooks.mean_loss_hook import MeanLossHook
from mmdet3d_act.engine.hooks.missed_validation_hook import (
    MissedValidationHook,
)
from mmdet3d_act.engine.hooks.preemption_hook import PreemptionHook
from mmdet3d_act.engine.hooks.prepare_targets_hook import PrepareTargetsHook
from mmdet3d_act.engine.hooks.reconstruction_hook import ReconstructionHook
from mmdet3d_act.engine.hooks.save_best_hook import SaveBestCheckHook
from mmdet3d_act.engine.hooks.schedule_fit_hook import ScheduleFitHook
from mmdet3d_act.engine.hooks.scheduled_value_hook import (
    CosineRamp,
    ScheduledValueHook,
)
from mmdet3d_act.engine.hooks.stored_target_hook import StoredTargetHook
