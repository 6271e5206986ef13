# The control without a teacher: reconstruction of encoded features only.
_base_ = './concept_pretrain_shapenet_images-tiny.py'

model = dict(
    student=dict(out_indices=()),
    objectives=dict(_delete_=True, reconstruction=_base_.reconstruction),
)
target_dataloader = None
custom_hooks = _base_.custom_hooks[:-1]
