# Point-MAE, as published.
_base_ = [
    '../_base_/models/point_mae.py',
    '../_base_/datasets/shapenet55_pretrain.py',
    '../_base_/datasets/modelnet40_probe.py',
    '../_base_/schedules/act_pretrain_300e.py',
    '../_base_/default_runtime.py',
]

custom_hooks = [
    *_base_.custom_hooks,
    dict(type='ReconstructionHook', interval=50),
]

val_evaluator = dict(type='LinearProbeMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
