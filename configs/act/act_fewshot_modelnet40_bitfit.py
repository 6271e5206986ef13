# BitFit: the biases and the head.
_base_ = './act_fewshot_modelnet40.py'

model = dict(transfer='bitfit')
optim_wrapper = dict(optimizer=dict(lr=_base_.frozen_lr))
param_scheduler = _base_.frozen_param_scheduler
