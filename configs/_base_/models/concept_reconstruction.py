# Reconstruction of encoded features only: no image has a part in it.
_base_ = './concept_distiller.py'

model = dict(
    student=dict(out_indices=()),
    objectives=dict(_delete_=True, reconstruction=_base_.reconstruction),
    predicts=('losses',),
)
