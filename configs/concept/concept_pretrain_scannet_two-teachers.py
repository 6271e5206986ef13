# Two teachers: the caption prefix and CLIP's image embedding, each with
# concepts and a head of its own.
_base_ = './concept_pretrain_scannet.py'

model = dict(
    objectives=dict(
        image=dict(
            target_generator=dict(
                type='ImageEmbeddingTarget', encoder=_base_.clip
            ),
            neck=_base_.concept_extractor,
            head={
                **_base_.alignment_head,
                'loss': dict(type='CosineFeatureLoss'),
            },
            weight=0.5,
        )
    )
)
