# ScanNet for semantic segmentation on a CPU of two cores: blocks of 4096
# points.
_base_ = './scannet_seg.py'

num_points = 4096

train_pipeline = [
    *_base_.load_scene,
    dict(_base_.train_pipeline[-2], num_points=num_points),
    dict(type='PackPointInputs'),
]

train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(num_workers=0, persistent_workers=False)
test_dataloader = val_dataloader
