# Concepts and reconstruction together, for a CPU.
_base_ = './concept_pretrain_scannet_tiny.py'

model = dict(objectives=dict(reconstruction=_base_.reconstruction))
