# The same clouds without their images, for a CPU of two cores.
_base_ = './scannet_frames_tiny.py'

cloud = dict(
    static_pipeline=[
        *_base_.load_pair,
        *_base_.sample_points,
        *_base_.group,
    ]
)
train_dataloader = dict(dataset=cloud)
val_dataloader = dict(dataset=cloud)
test_dataloader = val_dataloader
target_dataloader = dict(dataset=cloud)
