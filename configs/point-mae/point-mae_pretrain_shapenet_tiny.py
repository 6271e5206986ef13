# Point-MAE for a CPU of two cores.
_base_ = [
    '../_base_/models/point_mae_tiny.py',
    '../_base_/datasets/shapenet55_pretrain_tiny.py',
    '../_base_/datasets/point_folder_probe.py',
    '../_base_/schedules/pretrain_tiny.py',
    '../_base_/default_runtime.py',
]

default_hooks = dict(logger=dict(interval=10))
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='ReconstructionHook', interval=24),
]

val_evaluator = dict(
    type='LinearProbeMetric',
    standardize=True,
    C='cv',
    C_grid=(0.01, 0.1, 1.0),
    folds=3,
    max_iter=300,
)
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
