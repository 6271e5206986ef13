# Point-MAE on crops of ScanNet's scenes, for a CPU of two cores.
_base_ = [
    '../_base_/models/point_mae_tiny.py',
    '../_base_/datasets/scannet_pretrain_tiny.py',
    '../_base_/schedules/pretrain_tiny.py',
    '../_base_/default_runtime.py',
]

target_dataloader = None
model = dict(student=dict(num_groups=256), predicts=('losses',))
default_hooks = dict(logger=dict(interval=10))
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='ReconstructionHook', interval=24),
]

# Scenes have no label that a probe could predict.
val_evaluator = dict(type='DistillationLossMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
