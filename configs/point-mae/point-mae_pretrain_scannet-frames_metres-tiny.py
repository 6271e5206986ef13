# Point-MAE on frames in metres and the scene's coordinates, for a CPU.
_base_ = './point-mae_pretrain_scannet-frames_tiny.py'

metres = dict(
    static_pipeline=[
        dict(type='LoadFrame', coordinates='world'),
        _base_.sample_points[0],
        dict(type='CenterOnGround'),
        *_base_.group,
    ]
)
train_dataloader = dict(dataset=metres)
val_dataloader = dict(dataset=metres)
test_dataloader = val_dataloader
target_dataloader = dict(dataset=metres)
