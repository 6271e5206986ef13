# Reconstruction only.
_base_ = [
    '../_base_/models/concept_reconstruction.py',
    '../_base_/datasets/scannet_frames_clouds.py',
    '../_base_/schedules/concept_250e.py',
    '../_base_/default_runtime.py',
]

val_evaluator = dict(type='DistillationLossMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
