# The targets come from a store, which tools/cache_teacher.py makes of this
# config; training reads no image then.
_base_ = './concept_pretrain_scannet.py'

model = dict(
    objectives=dict(
        concept=dict(
            target_generator=dict(
                _delete_=True,
                type='StoredTarget',
                teacher=_base_.caption_prefix,
                prepare=dict(size=224, crop='center'),
            )
        )
    )
)
# Says how large the images of the targets are.
image_size = _base_.frame_images[1:]
plain_pipeline = [
    *_base_.load_pair,
    *image_size,
    *_base_.sample_points,
    *_base_.pack,
]
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            *_base_.load_pair,
            *image_size,
            *_base_.sample_points,
            *_base_.augment,
            *_base_.pack,
        ]
    )
)
val_dataloader = dict(dataset=dict(pipeline=plain_pipeline))
test_dataloader = val_dataloader
target_dataloader = dict(dataset=dict(pipeline=plain_pipeline))
