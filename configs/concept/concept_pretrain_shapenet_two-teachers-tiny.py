# Two teachers, for a CPU: the vectors that come with the renders, and what a
# ViT-Tiny makes of the renders, each with concepts and a head of its own.
_base_ = './concept_pretrain_shapenet_tiny.py'

render_images = [
    dict(type='LoadImage'),
    dict(type='PrepareImage', size=224, crop='center'),
]
plain_pipeline = [*render_images, *_base_.pack]

model = dict(
    objectives=dict(
        image=dict(
            target_generator=dict(
                type='ImageEmbeddingTarget', encoder=_base_.vit
            ),
            target_norm=dict(
                type='TargetNorm', mode='standardize', num_channels=192
            ),
            neck=_base_.concept_extractor,
            head=_base_.alignment_head,
            weight=0.5,
        )
    )
)
train_dataloader = dict(
    dataset=dict(pipeline=[*_base_.augment, *render_images, *_base_.pack])
)
val_dataloader = dict(dataset=dict(pipeline=plain_pipeline))
test_dataloader = val_dataloader
target_dataloader = dict(dataset=dict(pipeline=plain_pipeline))
custom_hooks = [
    *_base_.custom_hooks[:-1],
    dict(
        _base_.custom_hooks[-1],
        dataloader=dict(
            _base_.target_dataloader,
            dataset=dict(
                _base_.target_dataloader.dataset, pipeline=plain_pipeline
            ),
        ),
    ),
]
