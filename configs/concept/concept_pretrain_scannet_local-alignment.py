# Neither concepts nor captions: every patch of the cloud becomes like the
# patch of the image that it projects to.
_base_ = './concept_pretrain_scannet.py'

model = dict(
    student=dict(out_indices=()),
    objectives=dict(
        _delete_=True,
        local=dict(
            type='LocalAlignment',
            target_generator=dict(
                type='ImagePatchTarget', encoder=_base_.clip
            ),
            neck=dict(type='PatchTokens'),
            head=dict(
                type='FeatureHead',
                embed_dims=_base_.embed_dims,
                target_channels=768,
                loss=dict(type='MSEFeatureLoss'),
            ),
        ),
    ),
    predicts=('losses',),
)
val_evaluator = dict(_delete_=True, type='DistillationLossMetric')
test_evaluator = val_evaluator
