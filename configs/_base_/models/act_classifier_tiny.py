# The tiny pretrained student and a head, for a CPU of two cores.
embed_dims = 128

model = dict(
    type='PointClassifier',
    # The protocol: full, linear, mlp3, bitfit, side or lora. The head
    # follows, and the learning rate.
    transfer='{{$ACT_TRANSFER:full}}',
    backbone=dict(
        type='PointTransformer',
        embed_dims=embed_dims,
        num_layers=4,
        num_heads=4,
        drop_path_rate=0.0,
        num_groups=32,
        group_size=32,
        patch_channels=(32, 64, 128),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='{{$ACT_PRETRAINED:work_dirs/act_pretrain_shapenet_tiny}}',
            pretrain_config='configs/act/act_pretrain_shapenet_tiny.py',
        ),
    ),
    head=dict(
        type='ClassificationHead',
        in_channels=2 * embed_dims,
        num_classes=15,
    ),
)
tta_model = dict(type='AverageLogitsTTA')
