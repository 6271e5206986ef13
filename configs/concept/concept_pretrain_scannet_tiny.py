# Concept distillation on RGB-D frames, for a CPU of two cores.
_base_ = [
    '../_base_/models/concept_distiller_tiny.py',
    '../_base_/datasets/scannet_frames_tiny.py',
    '../_base_/schedules/pretrain_tiny.py',
    '../_base_/default_runtime.py',
]

default_hooks = dict(logger=dict(interval=10))
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='PrepareTargetsHook', dataloader=_base_.target_dataloader),
]
val_evaluator = dict(type='RetrievalMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
