# Reconstruction of encoded features only: no image has a part in it.
_base_ = [
    '../_base_/models/concept_distiller.py',
    '../_base_/datasets/scannet_frames_clouds.py',
    '../_base_/schedules/concept_250e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    student=dict(out_indices=()),
    objectives=dict(_delete_=True, reconstruction=_base_.reconstruction),
    predicts=('losses',),
)
val_evaluator = dict(type='DistillationLossMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
