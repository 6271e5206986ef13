# Point-MAE on the RGB-D frames of ScanNet: the control of the concept
# distillation, with the same clouds and schedule.
_base_ = [
    '../_base_/models/point_mae.py',
    '../_base_/datasets/scannet_frames_clouds.py',
    '../_base_/schedules/concept_250e.py',
    '../_base_/default_runtime.py',
]

model = dict(predicts=('losses',))
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='ReconstructionHook', interval=50),
]
val_evaluator = dict(type='DistillationLossMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
