# A pretrained student as encoder, as in act_3detr.py.
_base_ = './3detr_sunrgbd.py'

embed_dims = 384

model = dict(
    backbone=dict(
        _delete_=True,
        type='PointTransformer',
        embed_dims=embed_dims,
        num_layers=12,
        num_heads=6,
        drop_path_rate=0.1,
        num_groups=2048,
        group_size=32,
        with_cls_token=False,
        # A file, or a work directory, whose last checkpoint is taken.
        init_cfg=dict(
            type='Pretrained',
            checkpoint='{{$ACT_PRETRAINED:work_dirs/act_pretrain_shapenet}}',
            pretrain_config='configs/act/act_pretrain_shapenet.py',
        ),
    ),
    bbox_head=dict(in_channels=embed_dims),
)
