# Point-MAE, fine-tuned on folders of 16 classes, for a CPU.
_base_ = '../act/act_cls_real-shapes_tiny.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='{{$POINT_MAE_PRETRAINED:work_dirs/point-mae_pretrain_shapenet_tiny}}',
            pretrain_config='configs/point-mae/point-mae_pretrain_shapenet_tiny.py',
        )
    )
)
