# A pretrained student and a head; sizes are those for ScanObjectNN.
embed_dims = 384

model = dict(
    type='PointClassifier',
    # The protocol: full, linear, mlp3, bitfit, side or lora. The head
    # follows, and the learning rate.
    transfer='{{$ACT_TRANSFER:full}}',
    backbone=dict(
        type='PointTransformer',
        embed_dims=embed_dims,
        num_layers=12,
        num_heads=6,
        drop_path_rate=0.1,
        num_groups=128,
        group_size=32,
        # A file, or a work directory, whose last checkpoint is taken.
        init_cfg=dict(
            type='Pretrained',
            checkpoint='{{$ACT_PRETRAINED:work_dirs/act_pretrain_shapenet}}',
            pretrain_config='configs/act/act_pretrain_shapenet.py',
        ),
    ),
    head=dict(
        type='ClassificationHead',
        in_channels=2 * embed_dims,
        num_classes=15,
    ),
)
tta_model = dict(type='AverageLogitsTTA')
