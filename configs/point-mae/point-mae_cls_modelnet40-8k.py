# Point-MAE, fine-tuned on ModelNet40, 8192 points.
_base_ = '../act/act_cls_modelnet40-8k.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='{{$POINT_MAE_PRETRAINED:work_dirs/point-mae_pretrain_shapenet}}',
            pretrain_config='configs/point-mae/point-mae_pretrain_shapenet.py',
        )
    )
)
