# The same clouds without their images.
_base_ = './scannet_frames.py'

cloud_pipeline = [*_base_.load_pair, *_base_.sample_points, *_base_.pack]

train_dataloader = dict(
    dataset=dict(
        pipeline=[
            *_base_.load_pair,
            *_base_.sample_points,
            *_base_.augment,
            *_base_.pack,
        ]
    )
)
val_dataloader = dict(dataset=dict(pipeline=cloud_pipeline))
test_dataloader = val_dataloader
target_dataloader = dict(dataset=dict(pipeline=cloud_pipeline))
