# Patches become like the image patches that they project to, for a CPU.
_base_ = './concept_pretrain_scannet_tiny.py'

model = dict(
    student=dict(out_indices=()),
    objectives=dict(
        _delete_=True,
        local=dict(
            type='LocalAlignment',
            target_generator=dict(type='ImagePatchTarget', encoder=_base_.vit),
            target_norm=dict(
                type='TargetNorm', mode='standardize', num_channels=192
            ),
            neck=dict(type='PatchTokens'),
            head=dict(
                type='FeatureHead',
                embed_dims=_base_.embed_dims,
                target_channels=192,
                loss=dict(type='MSEFeatureLoss'),
            ),
        ),
    ),
    predicts=('losses',),
)
val_evaluator = dict(_delete_=True, type='DistillationLossMetric')
test_evaluator = val_evaluator
