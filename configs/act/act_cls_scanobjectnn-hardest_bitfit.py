# BitFit: head and biases.
_base_ = './act_cls_scanobjectnn-hardest.py'

model = dict(transfer='bitfit')
optim_wrapper = dict(optimizer=dict(lr=_base_.frozen_lr))
param_scheduler = _base_.frozen_param_scheduler
