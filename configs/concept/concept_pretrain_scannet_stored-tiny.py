# The targets come from a store, for a CPU.
_base_ = './concept_pretrain_scannet_tiny.py'

model = dict(
    objectives=dict(
        concept=dict(
            target_generator=dict(
                _delete_=True,
                type='StoredTarget',
                teacher=dict(type='ImageEmbeddingTarget', encoder=_base_.vit),
                prepare=dict(size=224, crop='center'),
            )
        )
    )
)
# Says how large the images of the targets are.
image_size = _base_.frame_images[1:]
cloud = dict(
    static_pipeline=[
        *_base_.load_pair,
        *image_size,
        *_base_.sample_points,
        *_base_.group,
    ]
)
train_dataloader = dict(dataset=cloud)
val_dataloader = dict(dataset=cloud)
test_dataloader = val_dataloader
target_dataloader = dict(dataset=cloud)
custom_hooks = [
    *_base_.custom_hooks[:-1],
    dict(
        _base_.custom_hooks[-1],
        dataloader=dict(
            _base_.target_dataloader,
            dataset=dict(_base_.target_dataloader.dataset, **cloud),
        ),
    ),
]
