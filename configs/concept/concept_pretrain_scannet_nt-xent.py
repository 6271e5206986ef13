# Contrastive: a cloud's prediction is to be told from those of other clouds.
_base_ = './concept_pretrain_scannet.py'

model = dict(
    objectives=dict(
        concept=dict(
            head=dict(
                whole=True,
                loss=dict(
                    _delete_=True, type='NTXentFeatureLoss', gather=True
                ),
            )
        )
    )
)
