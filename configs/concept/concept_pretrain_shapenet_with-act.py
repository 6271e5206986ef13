# ACT and concepts together; train act_dvae_shapenet.py first.
_base_ = [
    '../_base_/models/concept_with_act.py',
    '../_base_/datasets/object_renders.py',
    '../_base_/schedules/concept_250e.py',
    '../_base_/default_runtime.py',
]

val_evaluator = dict(type='RetrievalMetric')
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
