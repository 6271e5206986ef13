# MLP-LINEAR: a linear head on a frozen backbone.
_base_ = './act_fewshot_modelnet40_drawn.py'

model = dict(transfer='linear')
optim_wrapper = dict(optimizer=dict(lr=_base_.frozen_lr))
param_scheduler = _base_.frozen_param_scheduler
