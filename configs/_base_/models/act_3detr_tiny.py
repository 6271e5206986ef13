# The tiny pretrained student as encoder, for a CPU of two cores.
_base_ = './3detr_tiny.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='PointTransformer',
        embed_dims=_base_.embed_dims,
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
)
