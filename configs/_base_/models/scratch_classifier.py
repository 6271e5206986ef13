# The same network without pretraining.
_base_ = './act_classifier.py'

model = dict(backbone=dict(init_cfg=None))
