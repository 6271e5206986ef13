# Concepts and reconstruction together.
_base_ = './concept_pretrain_scannet.py'

model = dict(objectives=dict(reconstruction=_base_.reconstruction))
