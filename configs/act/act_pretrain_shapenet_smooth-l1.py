# ACT, stage II, with the smooth L1 loss.
_base_ = './act_pretrain_shapenet.py'

loss = dict(type='SmoothL1FeatureLoss')
model = dict(objectives=dict(act=dict(head=dict(loss=loss))))
