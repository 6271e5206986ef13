# Without the caption model: CLIP's image embedding is the target.
_base_ = './concept_pretrain_scannet.py'

model = dict(
    objectives=dict(
        concept=dict(
            target_generator=dict(
                _delete_=True, type='ImageEmbeddingTarget', encoder=_base_.clip
            )
        )
    )
)
