# The tiny pretrained student and a head, for a CPU of two cores.
embed_dims = 128

model = dict(
    type='PointSegmentor',
    backbone=dict(
        type='PointTransformer',
        embed_dims=embed_dims,
        num_layers=4,
        num_heads=4,
        drop_path_rate=0.0,
        num_groups=32,
        group_size=32,
        patch_channels=(32, 64, 128),
        with_cls_token=False,
        out_indices=(1, 2, 3),
        norm_hidden_states=True,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='{{$ACT_PRETRAINED:work_dirs/act_pretrain_shapenet_tiny}}',
            pretrain_config='configs/act/act_pretrain_shapenet_tiny.py',
        ),
    ),
    decode_head=dict(
        type='PartSegHead',
        num_classes=50,
        num_categories=16,
        in_channels=3 * embed_dims,
        propagation_channels=(256, 128),
        channels=(128, 64),
        category_channels=16,
        dropout_ratio=0.5,
    ),
)
tta_model = dict(type='AverageSegLogitsTTA')
