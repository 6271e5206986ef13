# A cloud's prediction is to be told from those of other clouds, for a CPU.
_base_ = './concept_pretrain_shapenet_tiny.py'

model = dict(
    objectives=dict(
        concept=dict(
            head=dict(
                whole=True, loss=dict(_delete_=True, type='NTXentFeatureLoss')
            )
        )
    )
)
