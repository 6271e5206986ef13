# Frames in metres and the scene's coordinates, z up, for a CPU.
_base_ = './concept_pretrain_scannet_tiny.py'

metres = dict(
    static_pipeline=[
        dict(type='LoadFrame', coordinates='world'),
        *_base_.frame_images,
        _base_.sample_points[0],
        dict(type='CenterOnGround'),
        *_base_.group,
    ]
)
train_dataloader = dict(dataset=metres)
val_dataloader = dict(dataset=metres)
test_dataloader = val_dataloader
target_dataloader = dict(dataset=metres)
custom_hooks = [
    *_base_.custom_hooks[:-1],
    dict(
        _base_.custom_hooks[-1],
        dataloader=dict(
            _base_.target_dataloader,
            dataset=dict(_base_.target_dataloader.dataset, **metres),
        ),
    ),
]
