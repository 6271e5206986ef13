# Point-MAE on crops of ScanNet's scenes. The rate is for 128 crops at once, 16
# GPUs; --auto-scale-lr for others.
_base_ = [
    '../_base_/models/point_mae.py',
    '../_base_/datasets/scannet_pretrain.py',
    '../_base_/schedules/act_pretrain_300e.py',
    '../_base_/default_runtime.py',
]

model = dict(student=dict(num_groups=2048), predicts=('losses',))
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='ReconstructionHook', interval=50),
]

# Scenes have no label that a probe could predict.
val_evaluator = dict(type='DistillationLossMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
