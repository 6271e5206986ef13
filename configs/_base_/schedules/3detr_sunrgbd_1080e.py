# 3DETR's training on SUN RGB-D: a higher rate.
_base_ = './3detr_1080e.py'

base_lr = 7e-4

optim_wrapper = dict(optimizer=dict(lr=base_lr))
