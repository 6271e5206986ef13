# The student of act_pretrain_shapenet_tiny.py, for a CPU of two cores: stock
# heads also need point operations there.
custom_imports = dict(
    imports=['mmdet3d_act', 'mmdet3d_act.mmcv_cpu'],
    allow_failed_imports=False,
)

embed_dims = 128
backbone = dict(
    type='PointTransformer',
    embed_dims=embed_dims,
    num_layers=4,
    num_heads=4,
    drop_path_rate=0.0,
    patch_channels=(32, 64, 128),
    ignore_features=True,
    init_cfg=dict(
        type='Pretrained',
        checkpoint='{{$ACT_PRETRAINED:work_dirs/act_pretrain_shapenet_tiny}}',
    ),
)
