# 1024 points of a frame instead of 4096.
_base_ = './concept_pretrain_scannet.py'

fewer_points = [
    dict(type='SamplePoints', num_points=1024, on_too_few='repeat'),
    dict(type='NormalizeToUnitSphere'),
]
plain_pipeline = [
    *_base_.load_pair,
    *_base_.frame_images,
    *fewer_points,
    *_base_.pack,
]
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            *_base_.load_pair,
            *_base_.frame_images,
            *fewer_points,
            *_base_.augment,
            *_base_.pack,
        ]
    )
)
val_dataloader = dict(dataset=dict(pipeline=plain_pipeline))
test_dataloader = val_dataloader
target_dataloader = dict(dataset=dict(pipeline=plain_pipeline))
