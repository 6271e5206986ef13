# Point-MAE for a CPU of two cores: the student of the tiny ACT.
embed_dims = 128
num_heads = 4
num_groups = 32
group_size = 32

model = dict(
    type='Distiller',
    student=dict(
        type='PointTransformer',
        embed_dims=embed_dims,
        num_layers=4,
        num_heads=num_heads,
        drop_path_rate=0.0,
        num_groups=num_groups,
        group_size=group_size,
        patch_channels=(32, 64, 128),
        embed_masked=False,
    ),
    mask=dict(type='RandomPatchMask', ratio=0.6),
    objectives=dict(
        point_mae=dict(
            target_generator=dict(type='PatchCoordinates'),
            neck=dict(
                type='MaskDecoder',
                embed_dims=embed_dims,
                num_layers=1,
                num_heads=num_heads,
                drop_path_rate=0.0,
            ),
            head=dict(
                type='CoordinateHead',
                embed_dims=embed_dims,
                group_size=group_size,
                loss=dict(type='PatchChamferLoss', norm='l2'),
            ),
        )
    ),
)
