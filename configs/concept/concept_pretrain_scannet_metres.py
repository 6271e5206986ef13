# Frames in metres and the scene's coordinates, z up, as scenes are: for
# detection and segmentation rather than for objects.
_base_ = './concept_pretrain_scannet.py'

load_metres = [dict(type='LoadFrame', coordinates='world')]
sample_metres = [
    dict(type='SamplePoints', num_points=4096, on_too_few='repeat'),
    dict(type='CenterOnGround'),
]
plain_pipeline = [
    *load_metres,
    *_base_.frame_images,
    *sample_metres,
    *_base_.pack,
]
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            *load_metres,
            *_base_.frame_images,
            *sample_metres,
            *_base_.augment,
            *_base_.pack,
        ]
    )
)
val_dataloader = dict(dataset=dict(pipeline=plain_pipeline))
test_dataloader = val_dataloader
target_dataloader = dict(dataset=dict(pipeline=plain_pipeline))
