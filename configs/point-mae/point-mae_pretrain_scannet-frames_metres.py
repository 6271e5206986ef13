# Point-MAE on frames in metres and the scene's coordinates: the control of
# the concept distillation for detection and segmentation.
_base_ = './point-mae_pretrain_scannet-frames.py'

metres = [
    dict(type='LoadFrame', coordinates='world'),
    _base_.sample_points[0],
    dict(type='CenterOnGround'),
]
plain_pipeline = [*metres, *_base_.pack]
train_dataloader = dict(
    dataset=dict(pipeline=[*metres, *_base_.augment, *_base_.pack])
)
val_dataloader = dict(dataset=dict(pipeline=plain_pipeline))
test_dataloader = val_dataloader
target_dataloader = dict(dataset=dict(pipeline=plain_pipeline))
