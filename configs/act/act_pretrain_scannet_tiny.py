# ACT, stage II, on crops of ScanNet's scenes, for a CPU of two cores; train
# act_dvae_scannet_tiny.py first.
_base_ = [
    '../_base_/models/act_distiller_scene_tiny.py',
    '../_base_/datasets/scannet_pretrain_tiny.py',
    '../_base_/schedules/pretrain_tiny.py',
    '../_base_/default_runtime.py',
]

model = dict(predicts=('losses',))
default_hooks = dict(logger=dict(interval=10))
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='PrepareTargetsHook', dataloader=_base_.target_dataloader),
    dict(type='ReconstructionHook', interval=24),
]

# Scenes have no label that a probe could predict.
val_evaluator = dict(type='DistillationLossMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
