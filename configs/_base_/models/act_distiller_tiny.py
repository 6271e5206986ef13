# ACT, stage II, for a CPU of two cores. Targets are whitened: raw ones hardly
# vary after a short stage I, and their loss falls without teaching anything.
_base_ = './act_autoencoder_tiny.py'

embed_dims = 128
num_heads = 4

model = dict(
    type='Distiller',
    student=dict(
        type='PointTransformer',
        embed_dims=embed_dims,
        num_layers=4,
        num_heads=num_heads,
        drop_path_rate=0.0,
        num_groups=_base_.num_groups,
        group_size=_base_.group_size,
        patch_channels=(32, 64, 128),
        embed_masked=False,
    ),
    mask=dict(type='RandomPatchMask', ratio=0.8),
    objectives=dict(
        act=dict(
            target_generator=dict(
                type='CachedTarget',
                generator=dict(
                    type='AutoencoderTarget',
                    autoencoder=_base_.autoencoder,
                    checkpoint='{{$ACT_AUTOENCODER:work_dirs/act_dvae_shapenet_tiny}}',
                    stage1_config='configs/act/act_dvae_shapenet_tiny.py',
                    noise=False,
                ),
            ),
            target_norm=dict(
                type='TargetNorm', mode='whiten', num_channels=128
            ),
            neck=dict(
                type='MaskDecoder',
                embed_dims=embed_dims,
                num_layers=1,
                num_heads=num_heads,
                drop_path_rate=0.0,
            ),
            head=dict(
                type='FeatureHead',
                embed_dims=embed_dims,
                target_channels=128,
                loss=dict(type='CosineFeatureLoss'),
            ),
        )
    ),
)
