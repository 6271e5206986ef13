# Concept distillation on the RGB-D frames of ScanNet, as published.
_base_ = [
    '../_base_/models/concept_distiller.py',
    '../_base_/datasets/scannet_frames.py',
    '../_base_/schedules/concept_250e.py',
    '../_base_/default_runtime.py',
]

# Whether a held-out cloud finds its own image.
val_evaluator = dict(type='RetrievalMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
