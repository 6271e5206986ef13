# SUN RGB-D for detection on a CPU of two cores: 8192 points of a view.
_base_ = './sunrgbd_det.py'

num_points = 8192

take_points = dict(
    type='SamplePoints', num_points=num_points, on_too_few='repeat'
)
# Whole views: crops slow a short training down.
train_pipeline = [
    *_base_.load_scene,
    take_points,
    *_base_.scene_augmentation,
    dict(type='PackPointInputs'),
]
test_pipeline = [
    _base_.load_points,
    *_base_.load_scene,
    take_points,
    dict(type='PackPointInputs'),
]
tta_pipeline = [
    _base_.load_points,
    *_base_.load_scene,
    take_points,
    _base_.tta_pipeline[-1],
]

train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(pipeline=test_pipeline),
)
test_dataloader = val_dataloader
