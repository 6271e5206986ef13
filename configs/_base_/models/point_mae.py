# Point-MAE: the coordinates of masked patches are the target.
embed_dims = 384
num_heads = 6
group_size = 32

model = dict(
    type='Distiller',
    student=dict(
        type='PointTransformer',
        embed_dims=embed_dims,
        num_layers=12,
        num_heads=num_heads,
        drop_path_rate=0.1,
        num_groups=64,
        group_size=group_size,
        with_cls_token=False,
    ),
    mask=dict(type='RandomPatchMask', ratio=0.6),
    objectives=dict(
        point_mae=dict(
            target_generator=dict(type='PatchCoordinates'),
            neck=dict(
                type='MaskDecoder',
                embed_dims=embed_dims,
                num_layers=4,
                num_heads=num_heads,
                drop_path_rate=0.1,
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
