# Without any augmentation.
_base_ = './act_cls_scanobjectnn-objonly.py'

train_dataloader = dict(dataset=dict(pipeline=_base_.not_augmented))
