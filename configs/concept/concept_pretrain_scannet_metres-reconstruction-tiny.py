# The control without a teacher: reconstruction of encoded features only.
_base_ = './concept_pretrain_scannet_metres-images-tiny.py'

model = dict(
    student=dict(out_indices=()),
    objectives=dict(_delete_=True, reconstruction=_base_.reconstruction),
    predicts=('losses',),
)
custom_hooks = _base_.custom_hooks[:-1]
val_evaluator = dict(_delete_=True, type='DistillationLossMetric')
test_evaluator = val_evaluator
