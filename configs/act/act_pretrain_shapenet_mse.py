# ACT, stage II, with the mean squared error.
_base_ = './act_pretrain_shapenet.py'

loss = dict(type='MSEFeatureLoss')
model = dict(objectives=dict(act=dict(head=dict(loss=loss))))
