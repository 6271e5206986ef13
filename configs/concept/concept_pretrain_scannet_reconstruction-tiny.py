# Reconstruction only, for a CPU.
_base_ = [
    '../_base_/models/concept_reconstruction_tiny.py',
    '../_base_/datasets/scannet_frames_clouds_tiny.py',
    '../_base_/schedules/pretrain_tiny.py',
    '../_base_/default_runtime.py',
]

default_hooks = dict(logger=dict(interval=10))
val_evaluator = dict(type='DistillationLossMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
