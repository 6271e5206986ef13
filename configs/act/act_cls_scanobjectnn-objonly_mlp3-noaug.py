# MLP-3: a head of three layers on a frozen backbone, without augmentation.
_base_ = './act_cls_scanobjectnn-objonly.py'

model = dict(transfer='mlp3')
optim_wrapper = dict(optimizer=dict(lr=_base_.frozen_lr))
param_scheduler = _base_.frozen_param_scheduler
train_dataloader = dict(dataset=dict(pipeline=_base_.not_augmented))
