# Side-tuning: a small network beside a frozen backbone.
_base_ = './act_cls_modelnet40-8k.py'

model = dict(transfer='side')
optim_wrapper = dict(optimizer=dict(lr=_base_.frozen_lr))
param_scheduler = _base_.frozen_param_scheduler
