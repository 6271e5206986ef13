# Reconstruction of encoded features only, for a CPU.
_base_ = [
    '../_base_/models/concept_distiller_tiny.py',
    '../_base_/datasets/scannet_frames_clouds_tiny.py',
    '../_base_/schedules/pretrain_tiny.py',
    '../_base_/default_runtime.py',
]

model = dict(
    student=dict(out_indices=()),
    objectives=dict(_delete_=True, reconstruction=_base_.reconstruction),
    predicts=('losses',),
)
default_hooks = dict(logger=dict(interval=10))
val_evaluator = dict(type='DistillationLossMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
