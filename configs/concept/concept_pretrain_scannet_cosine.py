# Cosine distance of every prefix embedding instead of the squared error.
_base_ = './concept_pretrain_scannet.py'

model = dict(
    objectives=dict(
        concept=dict(
            head=dict(loss=dict(_delete_=True, type='CosineFeatureLoss'))
        )
    )
)
