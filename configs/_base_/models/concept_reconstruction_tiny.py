# Reconstruction of encoded features only, for a CPU of two cores.
_base_ = './concept_distiller_tiny.py'

model = dict(
    student=dict(out_indices=()),
    objectives=dict(_delete_=True, reconstruction=_base_.reconstruction),
    predicts=('losses',),
)
