# The caption prefix of a render as the target.
_base_ = './concept_pretrain_shapenet.py'

model = dict(
    objectives=dict(
        concept=dict(
            target_generator=dict(_delete_=True, **_base_.caption_prefix)
        )
    )
)
