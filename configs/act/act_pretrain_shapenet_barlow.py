# ACT, stage II, with Barlow Twins' loss as published: correlations are those
# of a cloud's masked patches, and the loss is divided by their number.
_base_ = './act_pretrain_shapenet.py'

num_masked = 51
loss = dict(
    type='BarlowTwinsFeatureLoss',
    redundancy_weight=5e-3,
    scope='cloud',
    loss_weight=1 / num_masked,
)
model = dict(objectives=dict(act=dict(head=dict(loss=loss))))
