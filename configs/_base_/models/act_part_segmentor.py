# A pretrained student and the published head of part segmentation: blocks 4,
# 8 and 12, each after the final norm, without a class token.
embed_dims = 384

model = dict(
    type='PointSegmentor',
    backbone=dict(
        type='PointTransformer',
        embed_dims=embed_dims,
        num_layers=12,
        num_heads=6,
        drop_path_rate=0.1,
        num_groups=128,
        group_size=32,
        with_cls_token=False,
        out_indices=(3, 7, 11),
        norm_hidden_states=True,
        # A file, or a work directory, whose last checkpoint is taken.
        init_cfg=dict(
            type='Pretrained',
            checkpoint='{{$ACT_PRETRAINED:work_dirs/act_pretrain_shapenet}}',
            pretrain_config='configs/act/act_pretrain_shapenet.py',
        ),
    ),
    decode_head=dict(
        type='PartSegHead',
        num_classes=50,
        num_categories=16,
        in_channels=3 * embed_dims,
        propagation_channels=(4 * embed_dims, 1024),
        channels=(512, 256),
        dropout_ratio=0.5,
    ),
)
tta_model = dict(type='AverageSegLogitsTTA')
