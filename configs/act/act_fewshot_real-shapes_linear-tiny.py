# MLP-LINEAR: a linear head on a frozen backbone.
_base_ = './act_fewshot_real-shapes_tiny.py'

model = dict(transfer='linear')
optim_wrapper = dict(optimizer=dict(lr=_base_.frozen_lr))
