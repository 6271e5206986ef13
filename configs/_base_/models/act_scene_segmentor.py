# A pretrained student and the head of the concept distillation paper: 256
# patches of a block of 1.5 m, whole scenes in windows.
embed_dims = 384

model = dict(
    type='PointSegmentor',
    backbone=dict(
        type='PointTransformer',
        embed_dims=embed_dims,
        num_layers=12,
        num_heads=6,
        drop_path_rate=0.1,
        num_groups=256,
        group_size=32,
        with_cls_token=False,
        # A file, or a work directory, whose last checkpoint is taken.
        init_cfg=dict(
            type='Pretrained',
            checkpoint='{{$ACT_PRETRAINED:work_dirs/act_pretrain_shapenet}}',
            pretrain_config='configs/act/act_pretrain_shapenet.py',
        ),
    ),
    decode_head=dict(
        type='NearestCentersHead',
        num_classes=20,
        in_channels=embed_dims,
        channels=(512, 256),
        # Where in its cell a point lies: with_coordinates=True.
        with_coordinates=False,
        dropout_ratio=0.5,
        ignore_index=20,
    ),
    # As MMDetection3D's EncoderDecoder3D does it, with the same draws always.
    test_cfg=dict(
        mode='slide',
        num_points=8192,
        block_size=1.5,
        sample_rate=0.5,
        batch_size=24,
        fusion='logits',
    ),
)
