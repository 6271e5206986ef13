# The control row: from scratch, without any augmentation.
_base_ = '../act/act_cls_scanobjectnn-objonly.py'

model = dict(backbone=dict(init_cfg=None))
train_dataloader = dict(dataset=dict(pipeline=_base_.not_augmented))
