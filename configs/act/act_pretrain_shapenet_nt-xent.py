# ACT, stage II, with the contrastive loss as published: the negatives are the
# other masked patches of the cloud, and the loss is divided by their number.
_base_ = './act_pretrain_shapenet.py'

num_masked = 51
loss = dict(
    type='NTXentFeatureLoss',
    temperature=0.07,
    scope='cloud',
    loss_weight=1 / num_masked,
)
model = dict(objectives=dict(act=dict(head=dict(loss=loss))))
