# ACT, stage II: features of the frozen autoencoder are what the point
# Transformer predicts at masked patches.
_base_ = './act_autoencoder.py'

embed_dims = 384
num_heads = 6
# A file, or a work directory, whose last checkpoint is taken.
stage1 = '{{$ACT_AUTOENCODER:default}}'
if stage1 == 'default':
    stage1 = 'work_dirs/act_dvae_shapenet' + _base_.teacher_suffix

model = dict(
    type='Distiller',
    student=dict(
        type='PointTransformer',
        embed_dims=embed_dims,
        num_layers=12,
        num_heads=num_heads,
        drop_path_rate=0.1,
        num_groups=64,
        group_size=32,
    ),
    mask=dict(type='RandomPatchMask', ratio=0.8),
    objectives=dict(
        act=dict(
            target_generator=dict(
                type='AutoencoderTarget',
                autoencoder=_base_.autoencoder,
                checkpoint=stage1,
                stage1_config='configs/act/act_dvae_shapenet.py',
            ),
            neck=dict(
                type='MaskDecoder',
                embed_dims=embed_dims,
                num_layers=2,
                num_heads=num_heads,
                drop_path_rate=0.1,
            ),
            head=dict(
                type='FeatureHead',
                embed_dims=embed_dims,
                target_channels=384,
                loss=dict(type='CosineFeatureLoss'),
            ),
        )
    ),
)
