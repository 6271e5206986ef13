# What differs in the student of act_pretrain_shapenet_tiny.py, for a CPU of
# two cores. Stock heads also need point operations there.
imports_without_gpu = dict(imports=['mmdet3d_act', 'mmdet3d_act.mmcv_cpu'])

tiny_student = dict(
    embed_dims=128,
    num_layers=4,
    num_heads=4,
    drop_path_rate=0.0,
    patch_channels=(32, 64, 128),
    init_cfg=dict(
        checkpoint='{{$ACT_PRETRAINED:work_dirs/act_pretrain_shapenet_tiny}}',
    ),
)
