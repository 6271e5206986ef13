# The pretrained student. The file is a checkpoint of a pretraining, a
# converted published one, or a work directory, whose last checkpoint is taken.
custom_imports = dict(imports=['mmdet3d_act'], allow_failed_imports=False)

embed_dims = 384
backbone = dict(
    type='PointTransformer',
    embed_dims=embed_dims,
    num_layers=12,
    num_heads=6,
    # Pretrained on coordinates; stock pipelines also give heights or colours.
    ignore_features=True,
    init_cfg=dict(
        type='Pretrained',
        checkpoint='{{$ACT_PRETRAINED:work_dirs/act_pretrain_shapenet}}',
    ),
)
