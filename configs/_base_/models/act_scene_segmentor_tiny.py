# The tiny pretrained student and a small head, for a CPU of two cores.
embed_dims = 128

model = dict(
    type='PointSegmentor',
    backbone=dict(
        type='PointTransformer',
        embed_dims=embed_dims,
        num_layers=4,
        num_heads=4,
        drop_path_rate=0.0,
        num_groups=256,
        group_size=32,
        patch_channels=(32, 64, 128),
        with_cls_token=False,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='{{$ACT_PRETRAINED:work_dirs/act_pretrain_shapenet_tiny}}',
            pretrain_config='configs/act/act_pretrain_shapenet_tiny.py',
        ),
    ),
    decode_head=dict(
        type='NearestCentersHead',
        num_classes=20,
        in_channels=embed_dims,
        channels=(256, 128),
        # Learned sooner than from the cells alone.
        with_coordinates=True,
        dropout_ratio=0.1,
        ignore_index=20,
    ),
    # As MMDetection3D's EncoderDecoder3D does it, with the same draws always.
    test_cfg=dict(
        mode='slide',
        num_points=4096,
        block_size=1.5,
        sample_rate=0.5,
        batch_size=8,
        fusion='logits',
    ),
)
